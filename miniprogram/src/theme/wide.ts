/** Whether the window has room for conversations beside the chat. */

import { onUnmounted, ref } from 'vue';
import type { Ref } from 'vue';

const WIDE_PX = 900;

export function useWide(): Ref<boolean> {
  const wide = ref(uni.getSystemInfoSync().windowWidth >= WIDE_PX);
  const resized = ({ size }: { size: { windowWidth: number } }) => {
    wide.value = size.windowWidth >= WIDE_PX;
  };
  uni.onWindowResize(resized);
  onUnmounted(() => uni.offWindowResize(resized));
  return wide;
}
