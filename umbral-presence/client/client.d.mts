// The client's types and its documentation.
/// <reference lib="esnext.disposable" />

declare global {
  /** The client, where it was loaded by a script element. */
  var umbral: { realtime: Realtime };
}

/** What keeps a subscription from being live, or from having members; in the server's words
 * where it has any. Each is written to the console once as well. */
export interface Failure {
  /** `denied`, `too_many_groups`, `no_presence` (the server declares none for this group), `script`
   * (a script of the client cannot be loaded), `unreachable`, the status of an answer that is not
   * the server's, such as `502`, or the code of the server's refusal. */
  readonly code: string;
  readonly message: string;
  /** What the server allows at most, where that is the reason. */
  readonly limit?: number;
}

/**
 * - `connecting`: nothing is known yet;
 * - `live`: what is shown is true;
 * - `reconnecting`: the connection is lost, the members are those last seen;
 * - `denied`: the server does not let this user in (see `error`);
 * - `closed`: unsubscribed.
 */
export type Status = "connecting" | "live" | "reconnecting" | "denied" | "closed";

/** What the server shows of a member: the id, or what the group's resolver returns, whose `id` may
 * be a number. */
export interface DefaultMember {
  id: string;
}

export interface PresenceHandlers<Member = DefaultMember> {
  /** Everybody who is there: first of all, and after a lost connection once more. */
  sync?(members: readonly Member[]): void;
  join?(member: Member): void;
  leave?(member: Member): void;
  /** A member is shown in another way. */
  update?(member: Member): void;
  status?(status: Status): void;
}

/** What has happened, as a subscription's iterator gives it. */
export type PresenceEvent<Member = DefaultMember> =
  | readonly ["sync", readonly Member[]]
  | readonly ["join" | "leave" | "update", Member]
  | readonly ["status", Status];

/** All that is known of a group at one time. */
export interface Snapshot<Member = DefaultMember> {
  /** A frozen array, the same one until somebody comes, goes or changes. */
  readonly members: readonly Member[];
  readonly count: number;
  /** The signed-in user's id; `null` for an anonymous visitor, or where it is not known. It is
   * always a text, while a resolver may show ids as numbers: compare `String(member.id) === me`. */
  readonly me: string | null;
  readonly status: Status;
  /** What keeps the status from being `live` while it lasts, or a group from having members. */
  readonly error: Failure | null;
}

export interface Subscription {
  unsubscribe(): void;
}

/** A subscription to who is in a group. */
export interface Presence<Member = DefaultMember>
  extends Snapshot<Member>, Subscription, AsyncIterable<PresenceEvent<Member>>, Disposable, AsyncDisposable {
  /** A frozen object, the same one until something of it changes. */
  snapshot(): Snapshot<Member>;
  /** The shape of a store: calls `changed` now and after every change, those of one message
   * of the server together; gives what stops it. */
  subscribe(changed: (snapshot: Snapshot<Member>) => void): () => void;
  /** Adds a handler; gives what removes it. */
  on<Event extends keyof PresenceHandlers<Member>>(
    event: Event,
    handler: NonNullable<PresenceHandlers<Member>[Event]>,
  ): () => void;
  /** Others see the leave at once, unless this browser is in the group by another way. */
  unsubscribe(): void;
  /** Each event as it comes, a `sync` before anybody comes or goes. Who reads too slowly gets one `sync` for all that
   * was missed. Ends with the subscription. */
  [Symbol.asyncIterator](): AsyncIterableIterator<PresenceEvent<Member>>;
}

/** Handlers of an application's events: one for all, or by the event's name. `channel` is
 * the group, `@user:{id}`, `@broadcast`, or `@conn` for what concerns the connection, such as
 * `@lagged` with `{missed}`: so many events were dropped, since this browser was too slow. */
export type EventHandlers =
  | ((event: string, data: any, channel: string) => void)
  | { [event: string]: (data: any, channel: string) => void };

export interface Options {
  /** The server's path, or its URL, where the script was not loaded from there; without user, query
   * and fragment. That of the npm package is `/realtime` unless told otherwise. */
  base?: string;
  /** `sse` unless told otherwise. */
  transport?: "sse" | "ws";
  /** Writes to the console (`debug`) what the shared connection does: its requests are made by a
   * worker, and so in no tab's network panel. */
  debug?: boolean;
}

export interface Realtime {
  /** Shows who is in a group; makes this user present there. */
  presence<Member = DefaultMember>(group: string, handlers?: PresenceHandlers<Member>): Presence<Member>;
  /** Takes the events of groups, those to this user and those to everybody. */
  subscribe(groups: string | readonly string[], handlers: EventHandlers): Subscription;
  /** Passes a message to the application's `MessageHandler`; with `transport: "ws"` only. While
   * there is no connection it waits, unless another user signs in. */
  send(group: string, event: string, data?: unknown): void;
  /** To be called after sign-in and sign-out. Each subscription gets its `sync` once more. */
  reconnect(): void;
  /** Comes before everything else. */
  configure(options: Options): void;
  /** Whether it is known where the server is: from the script's own address, since this is the npm
   * package, or by `configure`. */
  readonly configured: boolean;
}

export const presence: Realtime["presence"];
export const subscribe: Realtime["subscribe"];
export const send: Realtime["send"];
export const reconnect: Realtime["reconnect"];
export const configure: Realtime["configure"];
