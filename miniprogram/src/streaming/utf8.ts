/** UTF-8, decoded as it arrives. Devices have no TextDecoder, and cut characters wherever a chunk ends. */

/** What a transport hands over: ArrayBuffer on devices, Uint8Array in the developer tools. */
export type Bytes = ArrayBuffer | ArrayBufferView;

const REPLACEMENT = 0xfffd;
const BOM = 0xfeff;

// As many arguments as every engine takes in one call.
const CODES_PER_CALL = 4096;

/** The bytes of either kind of buffer, not copied. */
export function bytesOf(data: Bytes): Uint8Array {
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return new Uint8Array(data);
}

/** Text as bytes, where a platform decoded what it should not have. */
export function utf8Bytes(text: string): Uint8Array {
  const wellFormed = Array.from(text, (each) => (/^[\ud800-\udfff]$/.test(each) ? '\ufffd' : each)).join('');
  const units = encodeURIComponent(wellFormed).match(/%[0-9A-F]{2}|[^%]/g) ?? [];
  return Uint8Array.from(units, (unit) => (unit.length > 1 ? parseInt(unit.slice(1), 16) : unit.charCodeAt(0)));
}

/**
 * Decodes one stream, chunk by chunk, to exactly what `new TextDecoder('utf-8')` with `{stream: true}` answers: each
 * longest ill-formed piece becomes one U+FFFD, and a byte order mark at the beginning is left out.
 *
 * Source: WHATWG Encoding Standard, 8.1.1 UTF-8 decoder.
 */
export class Utf8Decoder {
  private codePoint = 0;
  private needed = 0;
  private lower = 0x80;
  private upper = 0xbf;
  private begun = false;

  /** The text of the next bytes, as far as its characters are complete. */
  decode(data: Bytes): string {
    const bytes = bytesOf(data);
    const units: number[] = [];
    for (let index = 0; index < bytes.length; index += 1) {
      const byte = bytes[index] as number;
      if (this.needed === 0) {
        this.lead(byte, units);
      } else if (byte < this.lower || byte > this.upper) {
        // The byte does not belong to this character: it begins another one.
        this.reset();
        this.push(REPLACEMENT, units);
        this.lead(byte, units);
      } else {
        this.trail(byte, units);
      }
    }
    return textOf(units);
  }

  /** The rest: U+FFFD when the stream ended within a character. */
  end(): string {
    const cut = this.needed > 0;
    this.reset();
    this.begun = false;
    return cut ? '\ufffd' : '';
  }

  private lead(byte: number, units: number[]): void {
    if (byte < 0x80) {
      this.push(byte, units);
    } else if (byte >= 0xc2 && byte <= 0xdf) {
      this.expect(1, byte & 0x1f);
    } else if (byte >= 0xe0 && byte <= 0xef) {
      // Neither overlong forms nor surrogates.
      if (byte === 0xe0) this.lower = 0xa0;
      if (byte === 0xed) this.upper = 0x9f;
      this.expect(2, byte & 0x0f);
    } else if (byte >= 0xf0 && byte <= 0xf4) {
      // Neither overlong forms nor anything beyond U+10FFFF.
      if (byte === 0xf0) this.lower = 0x90;
      if (byte === 0xf4) this.upper = 0x8f;
      this.expect(3, byte & 0x07);
    } else {
      this.push(REPLACEMENT, units);
    }
  }

  private expect(needed: number, bits: number): void {
    this.needed = needed;
    this.codePoint = bits;
  }

  private trail(byte: number, units: number[]): void {
    this.lower = 0x80;
    this.upper = 0xbf;
    this.codePoint = (this.codePoint << 6) | (byte & 0x3f);
    this.needed -= 1;
    if (this.needed === 0) this.push(this.codePoint, units);
  }

  private push(codePoint: number, units: number[]): void {
    const first = !this.begun;
    this.begun = true;
    if (first && codePoint === BOM) return;
    if (codePoint < 0x10000) {
      units.push(codePoint);
    } else {
      units.push(0xd7c0 + (codePoint >> 10), 0xdc00 + (codePoint & 0x3ff));
    }
  }

  private reset(): void {
    this.codePoint = 0;
    this.needed = 0;
    this.lower = 0x80;
    this.upper = 0xbf;
  }
}

function textOf(units: number[]): string {
  let text = '';
  for (let index = 0; index < units.length; index += CODES_PER_CALL) {
    text += String.fromCharCode(...units.slice(index, index + CODES_PER_CALL));
  }
  return text;
}
