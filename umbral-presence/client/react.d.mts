import type { DefaultMember, Snapshot } from "./client.mjs";

/** Who is in a group. This user is present there while the component is mounted. Without a group,
 * nobody is shown and nothing is asked for. On a server it gives what is shown before anything is
 * known. */
export function usePresence<Member = DefaultMember>(group: string | null | undefined): Snapshot<Member>;
