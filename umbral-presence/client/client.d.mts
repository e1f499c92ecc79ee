// The client's types and its documentation.
/// <reference lib="esnext.disposable" />

declare global {
  /** The client, where it was loaded by a script element. */
  var umbral: { realtime: Realtime };
}

/** What keeps a subscription from being live, or from having members, in the server's words if there
 * are any. The console shows each failure once as well. */
export interface Failure {
  /** The code of the server's refusal, or one of these: `denied`; `too_many_groups`; `token` (the
   * function of `configure` has failed); `identity_changed` (another tab has another user's token); `no_presence` (the
   * server declares none for this group); `script` (a script of the client cannot be loaded);
   * `unreachable`; `lost`; `no_websocket`; the status of an answer that is not the server's, such as
   * `502`. */
  readonly code: string;
  readonly message: string;
  /** What the server allows at most, if that is the reason. */
  readonly limit?: number;
  /** Where the guide says why, and what to do, if the server has refused. */
  readonly help?: string;
}

/**
 * - `connecting`: nothing is known yet;
 * - `live`: what is shown is true;
 * - `reconnecting`: the connection is lost, the members are those last seen;
 * - `denied`: the server does not let this user in, and `error` says why;
 * - `closed`: unsubscribed.
 */
export type Status = "connecting" | "live" | "reconnecting" | "denied" | "closed";

/** What the server shows of a member: the id, unless the group has a resolver, whose `id` may be a
 * number. */
export interface DefaultMember {
  id: string;
}

export interface PresenceHandlers<Member = DefaultMember> {
  /** Everybody who is there: first of all, and once more after a lost connection. */
  sync?(members: readonly Member[]): void;
  join?(member: Member): void;
  leave?(member: Member): void;
  /** The server shows a member in another way than before. */
  update?(member: Member): void;
  status?(status: Status): void;
}

/** What has happened, as the iterator of a subscription gives it. */
export type PresenceEvent<Member = DefaultMember> =
  | readonly ["sync", readonly Member[]]
  | readonly ["join" | "leave" | "update", Member]
  | readonly ["status", Status];

/** All that is known of a group at one time. */
export interface Snapshot<Member = DefaultMember> {
  /** A frozen array, the same one until somebody comes, goes or changes. */
  readonly members: readonly Member[];
  readonly count: number;
  /** The signed-in user's id; `null` for an anonymous visitor, and while it is not known. It is always
   * a text, while a resolver may show ids as numbers: compare `String(member.id) === me`. */
  readonly me: string | null;
  readonly status: Status;
  /** What keeps the status from being `live`, or the group from having members, while it does. */
  readonly error: Failure | null;
}

export interface Subscription {
  unsubscribe(): void;
}

/** A subscription to who is in a group. */
export interface Presence<Member = DefaultMember>
  extends Snapshot<Member>, Subscription, AsyncIterable<PresenceEvent<Member>>, Disposable, AsyncDisposable {
  /** A frozen object, the same one until something in it changes. */
  snapshot(): Snapshot<Member>;
  /** The shape of a store: calls `changed` now and after every change, once for all changes of one
   * message of the server. Gives a function that stops it. */
  subscribe(changed: (snapshot: Snapshot<Member>) => void): () => void;
  /** Adds a handler; gives a function that removes it. */
  on<Event extends keyof PresenceHandlers<Member>>(
    event: Event,
    handler: NonNullable<PresenceHandlers<Member>[Event]>,
  ): () => void;
  /** Others see the leave at once, unless this user is in the group in another way. */
  unsubscribe(): void;
  /** Each event as it comes, a `sync` before anybody comes or goes. A reader that is too slow gets one
   * `sync` for all that it has missed. The events end with the subscription. */
  [Symbol.asyncIterator](): AsyncIterableIterator<PresenceEvent<Member>>;
}

/** Handlers of the application's events: one for all events, or one for each name. `channel` is the
 * group, `@user:{id}`, `@broadcast`, or `@conn` for what concerns the connection, such as `@lagged`
 * with `{missed}`: so many events were dropped because this browser was too slow. */
export type EventHandlers =
  | ((event: string, data: any, channel: string) => void)
  | { [event: string]: (data: any, channel: string) => void };

export interface Options {
  /** The server's path or URL, if the script was not loaded from there; without user, query and
   * fragment. The npm package has `/realtime` by default. */
  base?: string;
  /** `sse` by default. */
  transport?: "sse" | "ws";
  /** Gives the token by which the server knows the user, `null` where nobody is signed in. It is asked
   * before each stream and each call, so it should remember a token for as long as it is good.
   * `refused`: the server has refused the last one, so a newer one is needed. The same one again is
   * not tried. Where the function fails, the last token is used further. */
  token?(refused: boolean): string | null | undefined | Promise<string | null | undefined>;
  /** Writes to the console (`console.debug`) what the shared connection does. A worker makes its
   * requests, which are in no tab's network panel. */
  debug?: boolean;
}

export interface Realtime {
  /** Shows who is in a group, and makes this user present there. */
  presence<Member = DefaultMember>(group: string, handlers?: PresenceHandlers<Member>): Presence<Member>;
  /** Takes the application's events of these groups, those to this user and those to everybody. */
  subscribe(groups: string | readonly string[], handlers: EventHandlers): Subscription;
  /** Passes a message to the application's `MessageHandler`, with `transport: "ws"` only. It waits
   * while there is no connection, and is dropped when another user signs in. */
  send(group: string, event: string, data?: unknown): void;
  /** Is to be called after sign-in and sign-out. Each subscription gets its `sync` once more. */
  reconnect(): void;
  /** Must come before everything else. */
  configure(options: Options): void;
  /** Where the server is, if it is known: from the script's own address, by `configure`, or because this
   * is the npm package, which has a default. */
  readonly base?: string;
}

export const presence: Realtime["presence"];
export const subscribe: Realtime["subscribe"];
export const send: Realtime["send"];
export const reconnect: Realtime["reconnect"];
export const configure: Realtime["configure"];
