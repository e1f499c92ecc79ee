// Who has come and gone between two snapshots of a group, for a page that has lost its connection
// in between.

/** Pairs members by a name; gives those of each snapshot that are left over.
 * @type {(old: Entry[], now: Entry[], nameOf: (entry: Entry) => unknown) => [Entry[], Entry[]]} */
const unpaired = (old, now, nameOf) => {
  /** @type {Map<unknown, Entry[]>} */
  const named = new Map();
  for (const entry of old) named.get(nameOf(entry))?.push(entry) ?? named.set(nameOf(entry), [entry]);
  const rest = now.filter((entry) => !named.get(nameOf(entry))?.pop());
  return [[...named.values()].flat(), rest];
};

// Keys tell members apart where both snapshots are of one roster; otherwise the id does, or all that
// is shown of a member without one. Members who are shown alike are counted.
/** @type {Compare} */
export const compare = ({ members, rosterId }, entries, newId) => {
  /** @param {Entry} entry */
  const nameOf = ([key, member]) => (rosterId === newId ? key : JSON.stringify(member?.id ?? member));
  // First those who are shown as before, or two with one name could be taken for each other.
  const [gone, come] = unpaired([...(members ?? [])], entries, (entry) => JSON.stringify([nameOf(entry), entry[1]]));
  const [left, joined] = unpaired(gone, come, nameOf);
  const isNew = new Set(joined);
  return [
    ...left.map(([, member]) => /** @type {[string, any]} */ (["leave", member])),
    ...come.map((entry) => /** @type {[string, any]} */ ([isNew.has(entry) ? "join" : "update", entry[1]])),
  ];
};
