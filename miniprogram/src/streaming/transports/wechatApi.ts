/** What of `wx` (or `uni`) the transports use; WeChat's own typings are not needed for it. */

export interface RequestSuccess {
  statusCode: number;
  header?: Record<string, string | string[]>;
  data?: unknown;
}

export interface RequestOptions {
  url: string;
  method: string;
  header: Record<string, string>;
  data?: string;
  dataType: string;
  responseType: 'arraybuffer';
  timeout: number;
  enableChunked?: boolean;
  success(response: RequestSuccess): void;
  fail(failure: { errMsg?: string }): void;
}

export interface RequestTask {
  abort(): void;
  onHeadersReceived?(heard: (response: { header?: Record<string, string | string[]>; statusCode?: number }) => void): void;
  onChunkReceived?(heard: (chunk: { data: ArrayBuffer | Uint8Array }) => void): void;
}

export interface ContainerOptions extends Omit<RequestOptions, 'url' | 'enableChunked'> {
  path: string;
  config: { env: string };
}

export interface SocketTask {
  send(options: { data: string }): void;
  close(options: { code?: number }): void;
  onOpen(heard: () => void): void;
  onMessage(heard: (message: { data: string | ArrayBuffer }) => void): void;
  onClose(heard: (closed: { code?: number; reason?: string }) => void): void;
  onError(heard: (error: { errMsg?: string }) => void): void;
}

export interface WechatApi {
  request(options: RequestOptions): RequestTask | undefined;
  connectSocket(options: {
    url: string;
    protocols: string[];
    header: Record<string, string>;
    success(): void;
    fail(failure: { errMsg?: string }): void;
  }): SocketTask;
  onAppShow?(heard: () => void): void;
  onAppHide?(heard: () => void): void;
  onNetworkStatusChange?(heard: (status: { isConnected: boolean }) => void): void;
  cloud?: {
    callContainer(options: ContainerOptions): unknown;
    connectContainer(options: {
      config: { env: string };
      service: string;
      path: string;
      header: Record<string, string>;
    }): Promise<{ socketTask: SocketTask }>;
  };
}

/** Header names in lower case, as devices spell them as they like. */
export function lowerCase(headers: Record<string, string | string[]> | undefined): Record<string, string> {
  const lower: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers ?? {})) {
    lower[name.toLowerCase()] = Array.isArray(value) ? value.join(', ') : String(value);
  }
  return lower;
}
