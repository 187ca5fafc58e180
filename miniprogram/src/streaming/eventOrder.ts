/** The order of a stream's events: `17` is a position in the answer, `17.1` the first event that closes it there. Pure. */

/** Whether an event comes after another one; one without an id always does. */
export function isAfter(eventId: string, lastEventId: string): boolean {
  if (eventId === '' || lastEventId === '') return true;
  const [position, closing] = parts(eventId);
  const [lastPosition, lastClosing] = parts(lastEventId);
  return position > lastPosition || (position === lastPosition && closing > lastClosing);
}

function parts(eventId: string): [number, number] {
  const [position, closing] = eventId.split('.');
  return [Number(position), Number(closing ?? 0)];
}
