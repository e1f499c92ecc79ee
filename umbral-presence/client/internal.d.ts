// The types of the scripts. What is done, and why, stands in the scripts: their comments are not
// sent to browsers. What a user of the client sees is in client.d.mts.
//
//   page (client.js) ── port ── hub (worker.js) ── stream ── server

import type { Failure, PresenceEvent, Snapshot } from "./client.mjs";

declare global {
  var onconnect: (event: { ports: readonly MessagePort[] }) => void;
  interface WorkerOptions {
    extendedLifetime?: boolean;
  }

  // Wire ------------------------------------------------------------------------------------

  /** A frame of the event stream, or of a WebSocket, where the first three have longer names. */
  interface Frame {
    /** A group, `@user:{id}`, `@broadcast` or `@conn`. */
    c: string;
    /** An event of the application's, `presence:*`, or one of the connection's: `@hello`,
     * `@denied {groups}`, `@lagged {missed}`, `@drain {within}`; over a WebSocket `@joined {groups,
     * no_presence}`, `@left {groups}`, `@refused {error}` and `@ping` as well. */
    e: string;
    d: any;
    v: number;
    /** The keys of a snapshot's members, or of the one who has come, gone or changed. */
    k: any;
  }

  /** The data of `@hello`. */
  interface Hello extends Settled {
    /** Names the connection in calls. */
    conn: string;
    me: string | null;
    /** A stream says something every so many seconds. */
    heartbeat: number;
  }

  /** What the server has decided of the groups that it was asked for: with `@hello`, or in answer
   * to a call. */
  interface Settled {
    denied: string[];
    /** Groups without a declaration, whose members nobody is told. */
    no_presence?: string[];
  }

  /** Somebody has come, gone, or is shown in another way. */
  type Change = [event: "join" | "leave" | "update", key: number, member?: any];

  /** The answer to a request: no status where there was none, and how long to wait, in
   * milliseconds. */
  interface Reply {
    status?: number;
    body?: any;
    wait?: number;
    /** Instead of all that, where a stream has said hello. */
    live?: true;
  }

  // Hub -------------------------------------------------------------------------------------

  /** One group's members, folded from frames. */
  interface Roster {
    members: Map<number, any>;
    /** The version; less than 0 where a snapshot must come first. */
    v: number;
    /** A snapshot must be asked for: none comes by itself. */
    lost?: boolean;
    /** What the server has said of the group. */
    status: "wanted" | "live" | "denied";
    error: Failure | null;
    /** Whether the group has members at all. */
    presence: boolean;
    /** Another one where keys may be another roster's, that is with another stream, or where
     * the group was left in between. */
    id: number;
  }

  /** A member with its key. */
  type Entry = [key: number, member: any];

  type CreateRoster = () => Roster;
  /** Takes a `presence:*` frame in; gives what it came to. */
  type Fold = (roster: Roster, frame: Omit<Frame, "d" | "k"> & { d: any[]; k: any[] }) => "sync" | "gap" | Change[];
  type Explain = (path: string, reply: Reply) => Failure;

  /** A tab as its hub sees it. */
  interface Tab {
    port: Port;
    groups: Set<string>;
    /** Whether the identity of the stream is that of this tab's cookies. */
    confirmed: boolean;
    /** When it came, or may have signed in, by the hub's clock. */
    since: number;
    /** What it is told once it is confirmed. */
    held: object[];
    /** Whether it wants to know what the hub does. */
    debug?: boolean;
  }

  /** A tab's end of a port, or a hub's. */
  interface Port {
    postMessage(message: any): void;
    onmessage: ((event: any) => any) | null;
  }

  /** What a tab says to its hub. */
  interface Message {
    t: "attach" | "want" | "vanish" | "identity" | "retry" | "send";
    groups: string[];
    /** With `attach`: held by the tab for as long as it is there; `null` where locks cannot be used. */
    lock?: string | null;
    /** Whether the tab's user wants to know what the hub does. */
    debug?: boolean;
    /** With `send`: for the application, over a WebSocket. */
    text: string;
  }

  /** One connection to the server. */
  interface Stream {
    /** Those that it was opened with. */
    groups: string[];
    close(): void;
    conn: string;
    /** Numbers the calls. */
    n: number;
    /** When it was asked for, by the hub's clock, and in milliseconds. */
    at: number;
    since: number;
    /** After so many milliseconds without a byte it is lost. */
    silence: number;
    watchdog?: ReturnType<typeof setTimeout>;
    /** When the server was last shown that this side lives. */
    proved: number;
    /** Whether a call is under way, and whether there has been something to tell since. */
    calling?: boolean;
    changed?: boolean;
    /** A snapshot will be asked for; the server goes down, and this stream is left. */
    gap?: ReturnType<typeof setTimeout>;
    drained?: ReturnType<typeof setTimeout>;
  }

  interface Hub {
    /** With those that have just vanished. */
    tabs: Map<Port, Tab>;
    rosters: Map<string, Roster>;
    stream: Stream | null;
    /** Whose stream it is; `undefined` before the first. */
    me: string | null | undefined;
    status: "connecting" | "live" | "reconnecting" | "denied";
    /** Why it is not live. */
    error: Failure | null;
    /** Why calls fail while it is. */
    trouble: Failure | null;
    /** How many groups the server allows, and its words, once there were more. */
    full: any;
    /** Counts what has failed, for the backoff. */
    attempt: number;
    /** Counts the calls that have failed in a row. */
    failed: number;
    /** How many calls in a row came too fast. */
    fast: number;
    /** Whether a call has ever succeeded. */
    proven?: boolean;
    /** Orders what tabs ask and what is asked of the server. */
    clock: number;
    /** The name of the lock that is held while the hub lives, whether it is held, and what lets it go. */
    lock: string;
    held?: Promise<unknown>;
    release?: (value?: unknown) => void;
    opening?: boolean;
    /** Ends the wait before the next attempt. */
    hurry?: () => void;
    planned?: ReturnType<typeof setTimeout>;

    serve(port: Port): void;
    receive(port: Port, message: Message): void;
    attach(port: Port, message: Message): void;
    want(port: Port, message: Pick<Message, "groups">): void;
    vanish(port: Port): void;
    isUnsure(): boolean;
    identity(): void;
    retry(): void;

    show(group: string, tabs?: Iterable<Tab>): void;
    tell(channel: string, message: object, tabs?: Iterable<Tab>): void;
    say(status: Hub["status"], error?: Failure | null, reset?: boolean): void;
    greet(tab: Tab, reset?: boolean): void;
    log(text: string): void;

    plan(): void;
    groups(): string[];
    control(): Promise<void>;
    succeed(stream: Stream, groups: string[], at: number, body: Settled): void;
    fail(stream: Stream, reply: Reply): Promise<boolean>;
    post(stream: Stream, groups: string[], last?: boolean): Promise<Reply>;
    reply(path: string, response?: Response): Promise<Reply>;
    isFull(body: any): boolean;
    settleAll(groups: string[], settled: Settled): void;
    settle(group: string, status: Roster["status"], error?: Failure | null, presence?: boolean): void;
    confirm(at: number): void;

    open(delay?: number): Promise<void>;
    fret(error: Failure): void;
    isDenied(reply: Reply, error: Failure): boolean;
    delay(reply: Reply): number;
    backoff(): number;
    pause(ms?: number): Promise<void>;
    connect(done: (reply: Reply) => void): Promise<void>;
    createStream(close: () => void): Stream;
    heard(stream: Stream, isLate?: boolean): void;
    lose(stream: Stream): void;
    drop(): void;
    take(stream: Stream, frame: Frame, done: (reply: Reply) => void): void;
    hello(stream: Stream, hello: Hello): void;
    reset(): void;
    goodbye(): void;
  }

  type CreateHub = (base: string) => Hub;

  /** A stream over a WebSocket (ws.js). */
  interface SocketStream extends Stream {
    socket: WebSocket;
    /** What the server has let this connection into. */
    joined: Set<string>;
    /** The question that is under way, and what has been answered of it. */
    waiting: null | (Required<Settled> & { op: string; groups: Set<string>; answer(reply: Reply): void });
  }

  // Tab -------------------------------------------------------------------------------------

  /** A subscription as its room sees it. */
  interface Watch {
    on: Set<(event: string, value: any) => void>;
    /** Whether it has had its first snapshot. */
    synced: boolean;
    /** What its handlers know. */
    status: string;
    /** What is shown once it is closed. */
    last?: Snapshot<any>;
    emit(event: string, value?: any): void;
    add(handler: (event: string, value: any) => void): () => void;
    /** The snapshot, before anything else. A room may have it from another subscription. */
    start(): void;
    /** Something has changed; told once, however much it was. */
    tell(): void;
  }

  /** What a tab knows of a group. */
  interface Room {
    status: "connecting" | "live" | "denied";
    error: Failure | null;
    /** Whether the server declares that the group has presence. */
    presence: boolean;
    /** What has been written to the console. */
    said?: string | null;
    /** `null` until the first snapshot. */
    members: Map<number, any> | null;
    /** The hub's roster that these have come from. */
    roster?: number;
    /** What is shown, made when it is looked at, for many changes may come at once. */
    list: readonly any[] | null;
    shown: Snapshot<any> | null;
    watches: Set<Watch>;
    listeners: Set<{ handlers: any }>;
    /** A snapshot; who has come and gone since the last one is told first. Members are told apart
     * by their keys where both snapshots are of one roster of the server, for two of them may be
     * shown alike. Else those with the same id are the same member, or those that are shown
     * alike where there is none, and it is counted how many there are. */
    sync(entries: Entry[], roster: number): void;
    change(changes: Change[]): void;
    emit(event: string, member: any): void;
    /** What keeps the room from being live, or from having members. */
    failure(): Failure | null;
    tell(): void;
    /** Nothing is known until the next word of the hub. */
    forget(): void;
    snapshot(): Snapshot<any>;
  }

  type CreateRoom = (group: string) => Room;

  /** A subscription as its user has it, without the type of its members. */
  interface Subscribed extends Snapshot<any> {
    snapshot(): Snapshot<any>;
    on(event: string, handler: Function): () => void;
    subscribe(changed: Function): () => void;
    unsubscribe(): void;
    [Symbol.asyncIterator](): AsyncIterableIterator<any>;
  }

  interface Client {
    presence(group: string, handlers?: { [event: string]: Function }): Subscribed;
    subscribe(groups: string | string[], handlers: any): { unsubscribe(): void };
    send(group: string, event: string, data?: unknown): void;
    reconnect(): void;
    configure(options: { base?: string; transport?: string; debug?: boolean }): void;
    readonly configured: boolean;
  }

  /** This tab, and its way to the hub. */
  interface Page {
    /** Where the server is. */
    base?: string;
    /** The script of the hub. */
    hub: string;
    /** Whether what the hub does is written to the console. */
    debug: boolean;
    rooms: Map<string, Room>;
    /** Listeners for what is for all tabs. */
    everywhere: Set<{ handlers: any }>;
    port: Port | null;
    /** Messages that wait for a hub; so many at most, and no other user's. */
    unsent: { text: string }[];
    status: Hub["status"];
    me: string | null;
    error: Failure | null;
    /** What has been written to the console. */
    said?: string | null;
    /** How often a hub has been looked for. */
    starts: number;
    /** How often of late that was in vain, and when the last time, by the monotonic clock. */
    tries: number;
    since: number;
    /** Whether a hub is or will be looked for, or this is no page. */
    begun?: boolean;
    /** What has failed to load is loaded under another name, for a browser may keep the failure. */
    again: string;
    /** Web Locks, once they have been tried: a browser that blocks cookies has them and refuses
     * every request, and so does a sandboxed frame. */
    locks: LockManager | null;
    /** A SharedWorker cannot be used here. */
    alone?: boolean;
    planned?: boolean;
    /** Another user may have signed in: what the hub has said before it knows is not heard. */
    deaf?: boolean;
    /** Lets go of the lock that says that this tab is there. */
    leave?: (value?: unknown) => void;

    url(script: string): string;
    /** A script of the server's, which no build tool is to look for. */
    load(script: string): Promise<any>;
    log(text: string): void;
    /** A handler that throws breaks nothing else. */
    call(handler: Function, ...values: any[]): void;
    /** The room of a group, which is wanted from now on. A name that the server would refuse
     * would cost every tab its groups. A room that was denied is asked for again: somebody may
     * have let us in. */
    enter(group: string): Room;
    /** Tells the hub which groups are wanted, the changes of one task together: a group that is
     * left and entered in one task keeps its members. */
    plan(): void;
    /** Tells the hub. Where there is none yet only what is sent to the application waits: all
     * else the hub is told when it is there. */
    post(message: any): void;
    /** Takes a message of the hub. */
    receive(message: any): void;
    /** Looks for a hub once this is a page that somebody looks at. */
    begin(): void;
    /** Looks for a hub; again where there was one before. A policy that refuses workers shows by
     * an event of the worker, and not by an exception. A worker that comes too late never hears
     * of this tab: it is told only once it has said that it is `here`. */
    start(): Promise<void>;
    /** Does so once more in a while, unless somebody else does first. A hub that dies at once, and
     * a script that cannot be loaded, are tried at a falling pace. */
    restart(nth: number): void;
    /** Tries the locks; gives whether another tab leads, which is then to be followed though there
     * may be a worker here. Shared, so that two that ask at once do not see each other. */
    isLed(lock: string): Promise<boolean | void>;
    /** Says to a hub that this tab is there, and holds a lock for as long as it is: the hub
     * waits for it, and so notices a tab that is closed or has crashed. */
    attach(port: Port): void;
    /** The hub has answered; `lock` is held until it dies. */
    use(port: Port, lock: string): unknown;
    /** A page in the back/forward cache would keep its lock, so it goes as if it were closed, and
     * begins anew when it is back. */
    listen(): void;
  }

  /** Reaches the leader's hub (leader.js). */
  type Join = (base: string, script: string, name: string, locks: LockManager | null) => Promise<Port>;

  /** The events of a subscription (iterate.js). */
  type Iterate = (presence: Subscribed, synced: boolean) => AsyncIterableIterator<PresenceEvent<any>>;
}
