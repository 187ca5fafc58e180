/** Files that a person takes away. */

const TYPES: Readonly<Record<string, string>> = {
  md: 'text/markdown;charset=utf-8',
  json: 'application/json',
  pdf: 'application/pdf',
};

/** Saves a file in a browser; in a mini-program opens a document, or offers to send it on in a chat. */
export async function openFile(content: ArrayBuffer, name: string): Promise<void> {
  const ending = name.slice(name.lastIndexOf('.') + 1);
  const safe = name.replace(/[\\/:*?"<>|\s]+/g, ' ').trim();
  // #ifdef H5
  const url = URL.createObjectURL(new Blob([content], { type: TYPES[ending] ?? 'application/octet-stream' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = safe;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
  // #endif
  // #ifdef MP-WEIXIN
  const filePath = `${wx.env.USER_DATA_PATH}/${safe}`;
  await new Promise<void>((success, fail) => {
    uni.getFileSystemManager().writeFile({ filePath, data: content, success: () => success(), fail });
  });
  await new Promise<void>((success, fail) => {
    if (ending === 'pdf') uni.openDocument({ filePath, showMenu: true, success: () => success(), fail });
    else wx.shareFileMessage({ filePath, fileName: safe, success: () => success(), fail });
  });
  // #endif
}

// #ifdef MP-WEIXIN
declare const wx: { env: { USER_DATA_PATH: string }; shareFileMessage(options: object): void };
// #endif
