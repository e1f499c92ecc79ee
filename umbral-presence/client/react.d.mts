import type { DefaultMember, Snapshot } from "./client.mjs";

/** Who is in a group; this user is present there for as long as the component is mounted. */
export function usePresence<Member = DefaultMember>(group: string): Snapshot<Member>;
