// The fields of what crosses the wire and the ports, and of what is kept on either side, each with a
// line. What is done with them, and why, stands in the scripts: their comments are not sent to browsers.
// What a user of the client sees is in client.d.mts.
//
//   page (client.js) ── port ── hub (worker.js) ── stream ── server

import type { Failure, PresenceEvent, Snapshot } from "./client.mjs";

declare global {
  var onconnect: (event: { ports: readonly MessagePort[] }) => void;
  interface WorkerOptions {
    extendedLifetime?: boolean;
  }

  // The wire --------------------------------------------------------------------------------

  /** A frame of the event stream, or of a WebSocket, where the first three have longer names. */
  interface Frame {
    /** The channel: a group, `@user:{id}`, `@broadcast` or `@conn`. */
    c: string;
    /** The event: one of the application's, `presence:*`, or one of the connection's: `@hello`,
     * `@denied {groups}`, `@lagged {missed}`, `@drain {within}`; over a WebSocket `@joined {groups,
     * no_presence}`, `@left {groups}`, `@refused {error}` and `@ping` as well. */
    e: string;
    /** The event's data. */
    d: any;
    /** The roster's version after it. */
    v: number;
    /** The keys of a snapshot's members, or the key of the member who has come, gone or changed. */
    k: any;
  }

  /** The data of `@hello`. */
  interface Hello extends Settled {
    /** Names the connection in calls. */
    conn: string;
    /** Who has opened the stream. */
    me: string | null;
    /** The server says something every so many seconds. */
    heartbeat: number;
  }

  /** What the server has settled about the groups that it was asked for: in `@hello`, or in answer to a
   * call. */
  interface Settled {
    /** Groups that this user is not let into. */
    denied: string[];
    /** Groups without a declaration, whose members nobody is told. */
    no_presence?: string[];
  }

  /** The answer to a request. */
  interface Reply {
    /** None where there was no answer. */
    status?: number;
    body?: any;
    /** How long the server wants this side to wait, in milliseconds. */
    wait?: number;
    /** Instead of all that, where a stream has said hello. */
    live?: true;
  }

  // The port --------------------------------------------------------------------------------

  /** A tab's end of the way to its hub, or the hub's end. */
  interface Port {
    postMessage(message: any): void;
    onmessage: ((event: any) => any) | null;
  }

  /** What a tab says to its hub:
   * - `attach`: it is there, and wants these groups;
   * - `want`: it wants these groups from now on, and no others;
   * - `vanish`: it is gone, or in the back/forward cache;
   * - `identity`: somebody may have signed in or out;
   * - `retry`: somebody looks at it, or the network is back;
   * - `token`: the token of the tab, or why there is none;
   * - `send`: something for the application, over a WebSocket. */
  interface TabMessage {
    t: "attach" | "want" | "vanish" | "identity" | "retry" | "send" | "token";
    /** With `attach` and `want`. */
    groups: string[];
    /** With `attach`: the name of a lock that the tab holds for as long as it is there; none where locks
     * cannot be used. */
    lock?: string;
    /** With `attach`: whether the tab wants to know what the hub does. */
    debug?: boolean;
    /** With `send`. */
    text: string;
    /** With `token`: the question's number, and the answer. */
    n?: number;
    token?: string | null;
    error?: string;
  }

  /** What a tab answers to the question for its token: `null` where nobody is signed in. Nothing where it
   * has not answered. `isOver`: somebody has signed in since it was asked. */
  type TokenAnswer = Pick<TabMessage, "token" | "error"> & { isOver?: boolean };

  /** What a hub says to a tab. */
  type HubMessage =
    /** It runs. */
    | { t: "here" }
    /** It knows the tab, or what the tab has said of its identity. It holds this lock while it lives. */
    | { t: "ready"; lock: string }
    /** The state of the stream; `forget` where all that the tab knows was for somebody else. */
    | { t: "status"; page: { status?: Hub["status"]; error?: Failure | null; me?: string | null }; forget?: boolean }
    /** The state of a group, with its members if they are known, and the roster that their keys are of. */
    | { t: "room"; group: string; room: Pick<Room, "status" | "error">; members: Entry[] | null; rosterId: number }
    /** Members who have come, gone or changed. */
    | { t: "diff"; group: string; changes: Change[] }
    /** An event of the application or the connection: the frame's fields. */
    | { t: "event"; c: string; e: string; d: any }
    /** What the hub does (debug.js). */
    | { t: "log"; text: string }
    /** Asks for the tab's token (token.js). */
    | { t: "token"; n: number; refused: boolean };

  /** A member with its key. */
  type Entry = [key: number, member: any];

  /** A member has come, gone, or is shown in another way. */
  type Change = [event: "join" | "leave" | "update", key: number, member?: any];

  // The hub ---------------------------------------------------------------------------------

  /** One group's members, folded from frames. */
  interface Roster {
    /** By key. */
    members: Map<number, any>;
    /** The version; less than 0 where a snapshot must come first. */
    v: number;
    /** The snapshot must be asked for: none comes by itself. */
    mustAsk?: boolean;
    /** What the server has said of the group. */
    status: "wanted" | "live" | "denied";
    /** Why it is denied, or has no members. */
    error: Failure | null;
    /** Another one where keys may be another roster's: with another stream, or where the group was
     * left in between. */
    id: number;
  }

  /** Takes a `presence:*` frame in; gives what it came to. */
  type Fold = (
    roster: Pick<Roster, "members" | "v">,
    frame: Omit<Frame, "d" | "k"> & { d: any[]; k: any[] },
  ) => "sync" | "gap" | Change[];

  /** A tab as its hub sees it. */
  interface Tab {
    port: Port;
    groups: Set<string>;
    /** Whether the identity of the stream is that of this tab's cookies. */
    confirmed: boolean;
    /** When it came, or may have signed in, by the hub's moments; infinite once it has vanished. */
    moment: number;
    /** What it is told once it is confirmed. */
    waiting: object[];
    /** Whether it wants to know what the hub does. */
    debug?: boolean;
  }

  /** One connection to the server. */
  interface Stream {
    /** Those that it was opened with. */
    groups: string[];
    /** Hears once how its opening has ended. */
    done(reply: Reply): void;
    close(): void;
    /** Names it in calls, once it has said hello. */
    conn?: string;
    /** Numbers the calls. */
    n: number;
    /** When it was asked for, by the hub's moments. */
    moment: number;
    /** After so many milliseconds without a byte it is lost. */
    silence: number;
    watchdog?: ReturnType<typeof setTimeout>;
    /** Since when it counts as steady, in milliseconds. */
    steadyAt: number;
    /** When the server was last shown that this side lives, in milliseconds. */
    provedAt: number;
    /** Whether a call is under way. */
    calling?: boolean;
    /** A snapshot will be asked for. */
    gap?: ReturnType<typeof setTimeout>;
    /** The server goes down, and this stream is left. */
    drained?: ReturnType<typeof setTimeout>;
  }

  interface Hub {
    /** With those that have just vanished. */
    tabs: Map<Port, Tab>;
    rosters: Map<string, Roster>;
    /** The one that is live. */
    stream: Stream | null;
    /** Whose stream it is; `undefined` before the first. */
    me: string | null | undefined;
    status: "connecting" | "live" | "reconnecting" | "denied";
    /** Why it is not live; or why calls fail while it is. */
    error: Failure | null;
    /** How many groups the server allows, and its words, once there were more. */
    tooMany: any;
    /** Counts whatever has failed, for the length of the next pause. */
    failures: number;
    /** Counts the calls that have failed in a row. */
    failedCalls: number;
    /** Whether a call has ever succeeded. */
    isProven?: boolean;
    /** Orders what tabs ask and what is asked of the server. */
    moment: number;
    /** The name of the lock that is held while the hub lives. */
    lock: string;
    /** Comes true once it is held. */
    locked?: Promise<unknown>;
    /** Lets it go. */
    release?: (value?: unknown) => void;
    /** Whether a stream is being opened. */
    opening?: boolean;
    /** Whether there is something to tell the server. */
    changed?: boolean;
    /** Ends the wait before the next attempt. */
    hurry?: (value?: any) => void;
    planned?: ReturnType<typeof setTimeout>;
    /** Tells those who have asked for it what is done (debug.js). */
    log?: (text: string) => void;

    serve(port: Port): void;
    receive(port: Port, message: TabMessage): void;
    attach(port: Port, message: TabMessage): Promise<void>;
    want(port: Port, message: Pick<TabMessage, "groups">): void;
    vanish(port: Port): void;
    identity(port: Port): void;
    retry(): void;

    show(group: string, tabs?: Iterable<Tab>): void;
    tell(channel: string, message: HubMessage, tabs?: Iterable<Tab>): void;
    say(error: Failure | null, status?: Hub["status"], forget?: boolean): void;
    greet(tab: Tab, forget?: boolean): void;

    plan(): void;
    groups(): string[];
    control(): Promise<void>;
    succeed(stream: Stream, groups: string[], moment: number, settled: Settled): void;
    fail(reply: Reply): Promise<void>;
    post(stream: Stream, groups: string[]): Promise<Reply>;
    reply(path: string, response?: Response | null): Promise<Reply>;
    decideAll(groups: string[], settled: Settled): void;
    decide(group: string, error: Failure | null): void;
    confirm(moment: number): void;

    open(delay?: number): Promise<void>;
    judge(path: string, reply: Reply): Failure | void;
    delay(wait?: number): number;
    pause(ms?: number): Promise<void>;
    connect(done: Stream["done"]): Promise<void>;
    createStream(done: Stream["done"], close: () => void): Stream;
    heard(stream: Stream, isLate?: boolean): void;
    lose(stream: Stream): void;
    drop(): void;
    take(stream: Stream, frame: Frame): void;
    hello(stream: Stream, hello: Hello): void;
    reset(): void;
    goodbye(): void;
  }

  type CreateHub = (base: string, way?: Way) => Hub;

  /** How a hub makes its requests. */
  interface Way {
    fetch: typeof fetch;
    /** The token of now, for the first text of a WebSocket (token.js); `refused` where the server has
     * refused the last one. */
    token?(refused: boolean): Promise<string | null>;
    /** What the request of this moment has carried. */
    carry?(moment: number, token: string | null): void;
  }

  /** Tells a tab what its hub does from now on (debug.js). */
  type Follow = (hub: Hub, port: Port) => void;

  /** A stream over a WebSocket (ws.js). */
  interface SocketStream extends Stream {
    socket: WebSocket;
    /** What the server has let this connection into. */
    joined: Set<string>;
    /** The question that is under way, and what has been answered of it. */
    question: null | (Required<Settled> & { op: string; groups: Set<string>; answer(reply: Reply): void });
  }

  // The page --------------------------------------------------------------------------------

  /** Takes what happens to a subscription. */
  type Handler = (event: string, value?: any) => void;

  /** A subscription as its room sees it. */
  interface Watch {
    /** Whether it has had its first snapshot. */
    synced: boolean;
    emit: Handler;
    /** The snapshot, before anything else. A room may have it from another subscription. */
    sync(): void;
    /** Something has changed; told once, however much it was. */
    notify(): void;
  }

  /** What a tab knows of a group. */
  interface Room {
    status: "connecting" | "live" | "denied";
    /** Why it is denied, or has no members. */
    error: Failure | null;
    /** What has been written to the console. */
    said?: string | null;
    /** By key; `null` until the first snapshot. */
    members: Map<number, any> | null;
    /** The hub's roster that they are of. */
    rosterId?: number;
    /** What is shown of the members, and of all. */
    list: readonly any[] | null;
    shown: Snapshot<any> | null;
    watches: Set<Watch>;
    listeners: Set<{ handlers: any }>;

    sync(entries: Entry[], rosterId: number): Promise<void>;
    change(changes: Change[]): void;
    emit(event: string, member: any): void;
    notify(): void;
    /** Nothing is known until the next word of the hub. */
    forget(): void;
    snapshot(): Snapshot<any>;
  }

  type CreateRoom = (group: string) => Room;

  /** What has happened since the snapshot that a room has (compare.js). */
  type Compare = (room: Pick<Room, "members" | "rosterId">, entries: Entry[], newId: number) => [event: string, member: any][];

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
    configure(options: { base?: string; transport?: string; debug?: boolean; token?: Page["token"] }): void;
    readonly base?: string;
  }

  /** This tab, and its way to the hub. */
  interface Page {
    /** Where the server is. */
    base?: string;
    /** The script of the hub. */
    hubScript: string;
    /** Whether what the hub does is written to the console. */
    debug?: boolean;
    /** Gives the token of a request. */
    token?(refused: boolean): string | null | undefined | Promise<string | null | undefined>;
    rooms: Map<string, Room>;
    /** Those of what is for all tabs. */
    listeners: Set<{ handlers: any }>;
    /** The way to the hub, once it has answered. */
    port: Port | null;
    /** Ends with the last message of the hub so far. */
    turn: Promise<unknown>;
    /** Messages that wait for a hub; so many at most, and no other user's. */
    unsent: { text: string }[];
    status: Hub["status"];
    me: string | null;
    error: Failure | null;
    /** What has been written to the console. */
    said?: string | null;
    /** How often a hub has been looked for. */
    starts: number;
    /** How often of late that was in vain, and when the last time, in milliseconds. */
    tries: number;
    triedAt: number;
    /** Whether a hub is or will be looked for, or this is no page. */
    begun?: boolean;
    /** What has failed to load is loaded under another name. */
    again: string;
    /** Web Locks, once they have been tried. */
    locks: LockManager | null;
    /** A SharedWorker cannot be used here. */
    noWorker?: boolean;
    /** Whether the hub will be told which groups are wanted. */
    planned?: boolean;
    /** Another user may have signed in: what the hub has said before it knows is not heard. */
    deaf?: boolean;
    /** Lets go of the lock that says that this tab is there. */
    release?: (value?: unknown) => void;

    url(script: string): string;
    load(script: string): Promise<any>;
    call(handler: Function, ...values: any[]): void;
    enter(group: string): Room;
    plan(): void;
    post(message: any): void;
    receive(data: any): Promise<void>;
    begin(): void;
    start(): Promise<void>;
    startWorker(url: string, name: string): Promise<Port | undefined>;
    restart(nth: number): void;
    attach(port: Port): void;
    use(port: Port, lock: string): unknown;
  }

  /** Reaches the leader's hub (leader.js). */
  type Join = (base: string, script: string, name: string, locks: LockManager | null) => Promise<Port>;

  /** What a port does besides (port.js). */
  type Extend = (port: Port, page: Pick<Page, "token" | "debug">) => Port;

  /** The events of a subscription (iterate.js). */
  type Iterate = (presence: Subscribed, synced: boolean) => AsyncIterableIterator<PresenceEvent<any>>;
}
