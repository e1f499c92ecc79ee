import type { DefaultMember, Snapshot } from "./client.mjs";

export interface PresenceStore<Member = DefaultMember> {
  /** The same object until something changes. */
  snapshot(): Snapshot<Member>;
  /** Calls `changed` now and after every change; gives a function that stops it. */
  subscribe(changed: (snapshot: Snapshot<Member>) => void): () => void;
}

/** A store of who is in a group. This user is present there while somebody reads it. */
export function presenceStore<Member = DefaultMember>(group: string): PresenceStore<Member>;

/** What a store shows before anybody reads it. */
export const NOTHING: Snapshot<never>;
