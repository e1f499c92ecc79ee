/** A server for tests of pages. It stands in for the real one in the page itself, so it has to be there
 * before the page subscribes to anything.
 *
 * It has no other scripts of the server's, so three options of `configure` cannot be tested: with `token`
 * or `debug` the page stays `connecting`, since it would load a script that is not there, and with
 * `transport: "ws"` it is live over an event stream, and what it sends arrives nowhere. In tests leave them
 * out. */
export interface FakeServer {
  /** A member comes into a group, or is shown in another way if the id is there already. */
  join(group: string, member: { id: string | number; [key: string]: unknown }): void;
  /** The member with this id goes. */
  leave(group: string, id: string | number): void;
  /** Sends an event of the application to a group, `@user:{id}` or `@broadcast`. */
  send(channel: string, event: string, data?: unknown): void;
  /** The policy says no from now on: the page's status is `denied` for this group. */
  deny(group: string): void;
  /** Another user is signed in, or nobody. The page hears of it as from the real server: with its next
   * connection, and with its next call, as that of `reconnect()`. */
  signIn(user: string | null): void;
  /** The connection is lost; the client opens another one within about a second. */
  lose(): void;
  /** Every request is refused, until `accept`: with 401 or 403 the page is `denied`. */
  refuse(status: number, code?: string, message?: string): void;
  /** Requests are answered again, and no group is denied. */
  accept(): void;
  /** The groups in which the page is. */
  groups(): string[];
  /** Waits until the page has heard what was said so far. */
  settled(): Promise<void>;
  /** Ends everything that would keep a test running. */
  close(): void;
}

/** Makes a fake server, and has the client of this page use it. `me` is the signed-in user's id. */
export function createFakeServer(options?: { me?: string | null }): FakeServer;
