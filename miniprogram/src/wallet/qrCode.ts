/** A QR code as an image. */

import qrcode from 'qrcode-generator';

const CELL_PX = 6;
// What the standard wants around a code, in cells.
const MARGIN_CELLS = 4;

/** The code of a text, as a `data:` URL. */
export function qrImage(text: string): string {
  const code = qrcode(0, 'M');
  code.addData(text);
  code.make();
  return code.createDataURL(CELL_PX, CELL_PX * MARGIN_CELLS);
}
