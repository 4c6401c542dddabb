/** A name that the source does not have in it, made of a name by a number where that is needed. */
export function freshName(name: string, source: string): string {
  let fresh = name;
  for (let n = 2; source.includes(fresh); n++) fresh = `${name}${n}`;
  return fresh;
}
