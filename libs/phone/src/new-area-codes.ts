/** NXX-NXX-XXXX: the shape of every national number under +1 (North American Numbering Plan). */
const SHAPE = /^\+1([2-9]\d\d)([2-9]\d\d)\d{4}$/;

/**
 * Area codes that are never given to a place: service codes (N11), codes kept for longer numbers (N9X, 37X, 96X),
 * non-geographic ones (personal 5XX, Canadian 6XX, 700, 710), toll-free (8XX) and premium (900, 976).
 */
const WITHOUT_A_PLACE = [
  /^.11$/,
  /^.9.$/,
  /^(37|96)./,
  /^5(00|55|2[1-9]|3[2358]|4[2-79]|5[02-468]|6[69]|7[78]|8[89])$/,
  /^(600|622|633|644|655|666|677|688|700|710)$/,
  /^8(00|22|33|44|55|66|77|8.)$/,
  /^9(00|76)$/,
];

/** Exchanges that are never given to subscribers: service codes, carrier access and premium services. */
const WITHOUT_SUBSCRIBERS = /^(.11|950|976)$/;

/**
 * Returns true if a number with an unknown area code can be that of a subscriber. Several area codes are added each
 * year, and all of them follow one plan.
 */
export function hasNewAreaCode(number: string): boolean {
  const [, area = '', exchange = ''] = SHAPE.exec(number) ?? [];
  return (
    area !== '' && !WITHOUT_A_PLACE.some((codes) => codes.test(area)) && !WITHOUT_SUBSCRIBERS.test(exchange)
  );
}
