// Names of statistics with their tags: parts that become labels.

export type Tag = { readonly name: string; readonly value: string };

/** A name without its tags, and the tags in order. */
export type TaggedName = { readonly name: string; readonly tags: readonly Tag[] };

/** name, value, name, value, … */
export type TagList = readonly string[];

export function tagsOf(list: TagList): readonly Tag[] {
  const tags: Tag[] = [];
  for (let i = 0; i + 1 < list.length; i += 2) tags.push({ name: list[i] as string, value: list[i + 1] as string });
  return tags;
}

/** The full name of a statistic that was given tags; an empty value has no place in it, as in Envoy. */
export function nameWithTags(name: string, tags: readonly Tag[]): string {
  let full = name;
  for (const tag of tags) full += tag.value === '' ? `.${tag.name}` : `.${tag.name}.${tag.value}`;
  return full;
}
