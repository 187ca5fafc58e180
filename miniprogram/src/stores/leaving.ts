/** What happens when nobody is logged in any more. */

import { useAccount } from './account';
import { useChat } from './chat';
import { useConversations } from './conversations';
import { useWallet } from './wallet';

/** Forgets everything about whoever was logged in: the next person may be another one. */
export function forgetEverything(): void {
  useAccount().forget();
  useChat().forget();
  useConversations().forget();
  useWallet().forget();
}
