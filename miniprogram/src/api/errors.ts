/** What the gateway refuses, and what never reached it. */

/** A request that came to nothing. */
export class ApiError extends Error {
  /**
   * @param code the server's `error.code`, or `connection_lost` when nobody answered.
   * @param message one sentence in the user's language; "" for `connection_lost`, which screens word themselves.
   * @param status HTTP's; null when there was no answer.
   * @param retryAfterS seconds until it may be tried again; null unless the server says so.
   */
  constructor(
    readonly code: string,
    message: string,
    readonly status: number | null = null,
    readonly retryAfterS: number | null = null,
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

/** The error of an answer with this status. */
export function errorOf(status: number, headers: Readonly<Record<string, string>>, body: unknown): ApiError {
  const told = (body as { error?: { code?: unknown; message?: unknown } } | null)?.error;
  const retryAfter = Number(headers['retry-after']);
  return new ApiError(
    typeof told?.code === 'string' ? told.code : 'service_unavailable',
    typeof told?.message === 'string' ? told.message : '',
    status,
    Number.isFinite(retryAfter) && headers['retry-after'] !== undefined ? retryAfter : null,
  );
}
