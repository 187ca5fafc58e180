/** Who is logged in, what they have, and what this platform allows them. */

import { defineStore } from 'pinia';
import { computed, ref, shallowRef } from 'vue';
import type { Me, Model } from '@/api/shapes';
import { useServices } from '@/services';
import { useSettings } from './settings';

export const useAccount = defineStore('account', () => {
  const { api, session, loginCode } = useServices();
  const settings = useSettings();
  const loggedIn = ref(session.loggedIn);
  const me = shallowRef<Me | null>(null);
  const models = shallowRef<readonly Model[]>([]);

  const policy = computed(() => me.value?.policy ?? null);
  /** The model that is asked: the chosen one while it is offered, else the first. */
  const model = computed<Model | null>(
    () => models.value.find(({ id }) => id === settings.kept.model) ?? models.value[0] ?? null,
  );

  /** Reads who this is, and what can be asked. @throws ApiError */
  async function load(): Promise<void> {
    const [who, list] = await Promise.all([api.me(), api.models()]);
    me.value = who;
    models.value = list.data;
  }

  async function refresh(): Promise<void> {
    me.value = await api.me();
  }

  /** Logs in as the platform's user. @throws ApiError, or what the platform's login throws */
  async function login(): Promise<void> {
    if (loginCode === null) throw new Error('This platform has no login of its own.');
    await session.login(await loginCode());
    loggedIn.value = true;
    await load();
  }

  /** Logs in with an API key. @throws ApiError when it is none */
  async function loginWithKey(key: string): Promise<void> {
    await session.tryKey(key.trim(), load);
    loggedIn.value = true;
  }

  async function setMinorMode(on: boolean): Promise<void> {
    me.value = await api.setMinorMode(on);
  }

  async function logout(): Promise<void> {
    await session.logout();
    forget();
  }

  /** Deletes everything about this person, and logs out. @throws ApiError */
  async function deleteEverything(): Promise<void> {
    await api.deleteMe();
    session.forget();
    forget();
  }

  /** Nobody is logged in any more. */
  function forget(): void {
    loggedIn.value = false;
    me.value = null;
    models.value = [];
  }

  return {
    loggedIn,
    me,
    models,
    model,
    policy,
    load,
    refresh,
    login,
    loginWithKey,
    setMinorMode,
    logout,
    deleteEverything,
    forget,
  };
});
