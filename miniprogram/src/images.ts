/** Images to ask about, as `data:` URLs that fit into a request. */

/** A request may have 1 MiB, and an image grows by a third when it is written as text. */
const BYTES_MAX = 300 * 1024;
const SIDES_PX = [1280, 960, 640] as const;

export class ImageTooLargeError extends Error {}

/** Lets the person choose one; null when they do not. @throws ImageTooLargeError */
export async function chooseImage(): Promise<string | null> {
  const path = await new Promise<string | null>((resolve) => {
    uni.chooseImage({
      count: 1,
      sizeType: ['compressed'],
      success: ({ tempFilePaths }) => resolve(tempFilePaths[0] ?? null),
      fail: () => resolve(null),
    });
  });
  if (path === null) return null;
  let read: (path: string) => Promise<string>;
  // #ifdef H5
  read = readInBrowser;
  // #endif
  // #ifndef H5
  read = readOnDevice;
  // #endif
  return read(path);
}

// #ifdef H5
async function readInBrowser(path: string): Promise<string> {
  const image = new Image();
  image.src = path;
  await image.decode();
  for (const side of SIDES_PX) {
    const scale = Math.min(1, side / Math.max(image.naturalWidth, image.naturalHeight));
    const canvas = document.createElement('canvas');
    canvas.width = Math.round(image.naturalWidth * scale);
    canvas.height = Math.round(image.naturalHeight * scale);
    const drawing = canvas.getContext('2d');
    if (drawing) {
      // JPEG knows no transparency: what shows through would be black.
      drawing.fillStyle = '#ffffff';
      drawing.fillRect(0, 0, canvas.width, canvas.height);
      drawing.drawImage(image, 0, 0, canvas.width, canvas.height);
    }
    const url = canvas.toDataURL('image/jpeg', 0.8);
    if (url.length <= BYTES_MAX) return url;
  }
  throw new ImageTooLargeError();
}
// #endif

// #ifndef H5
async function readOnDevice(path: string): Promise<string> {
  for (const side of SIDES_PX) {
    const smaller = await compressed(path, side);
    const data = await base64(smaller);
    if (data.length <= BYTES_MAX) return `data:image/jpeg;base64,${data}`;
  }
  throw new ImageTooLargeError();
}

function compressed(src: string, side: number): Promise<string> {
  return new Promise((resolve) => {
    const options = {
      src,
      quality: 80,
      compressedWidth: side,
      success: ({ tempFilePath }: { tempFilePath: string }) => resolve(tempFilePath),
      fail: () => resolve(src),
    };
    uni.compressImage(options);
  });
}

function base64(filePath: string): Promise<string> {
  return new Promise((resolve, reject) => {
    uni.getFileSystemManager().readFile({
      filePath,
      encoding: 'base64',
      success: ({ data }) => resolve(data as string),
      fail: reject,
    });
  });
}
// #endif
