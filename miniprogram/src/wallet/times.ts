/** Times as people read them. Mini-programs have no whole `Intl`: written by hand, and the same everywhere. Pure. */

const two = (value: number) => String(value).padStart(2, '0');

/** Month, day, hour and minute of the device's zone; the year where it is another. `atS` is seconds since 1970 UTC. */
export function dateTime(atS: number, locale: string, now = new Date()): string {
  const at = new Date(atS * 1000);
  const time = `${two(at.getHours())}:${two(at.getMinutes())}`;
  const [year, month, day] = [at.getFullYear(), at.getMonth() + 1, at.getDate()];
  if (locale === 'en') return `${year}-${two(month)}-${two(day)} ${time}`;
  return `${year === now.getFullYear() ? '' : `${year}年`}${month}月${day}日 ${time}`;
}
