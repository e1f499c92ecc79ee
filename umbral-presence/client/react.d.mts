import type { DefaultMember, Snapshot } from "./client.mjs";

/** Who is in a group; this user is present there for as long as the component is mounted. Without
 * a group, as long as it is not known which, nobody is, and nothing is asked for. On a server
 * it is what is shown before anything is known. */
export function usePresence<Member = DefaultMember>(group: string | null | undefined): Snapshot<Member>;
