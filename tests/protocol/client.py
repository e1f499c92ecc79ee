"""A client of the protocol, written from its page in the guide, with nothing but the standard library.

    client.py fold FILE                  folds the cases of a file of rosters, and compares
    client.py watch BASE USER GROUP..    follows groups, and tells what it sees; reads commands
"""

import http.client
import json
import queue
import sys
import threading
import time
from urllib.parse import quote, urlsplit


class Roster:
    """Who is in one group."""

    def __init__(self):
        self.members, self.version = {}, None

    def take(self, event, data, version, key):
        """Takes in a frame. Gives the changes, or None where the snapshot has to come again."""
        if event == "presence:sync":
            self.members, self.version = dict(zip(key, data)), version
            return [("sync", list(data))]
        if self.version is None:
            return []
        one = {"presence:join": "+", "presence:leave": "-", "presence:update": "~"}
        changes = data if event == "presence:diff" else [[one[event], key, data]]
        known = self.version - (version - len(changes))
        if known < 0:
            return None
        told = []
        for sign, key, *payload in changes[known:]:
            if sign == "-":
                told.append(("leave", self.members.pop(key, None)))
            else:
                self.members[key] = payload[0]
                told.append(("join" if sign == "+" else "update", payload[0]))
        self.version = max(self.version, version)
        return told


class Stream:
    """One event stream, and the calls that change its groups."""

    def __init__(self, base, headers, groups):
        self.url, self.headers = urlsplit(base), headers
        self.rosters, self.groups, self.hello, self.n = {}, list(groups), None, 0
        self.socket = http.client.HTTPConnection(self.url.netloc)
        names = quote(",".join(groups))
        accept = {"accept": "text/event-stream"}
        self.socket.request("GET", f"{self.url.path}/sse?v=1&groups={names}", headers=headers | accept)
        self.answer = self.socket.getresponse()
        if self.answer.status != 200:
            raise SystemExit(f"{self.answer.status}: {self.answer.read().decode()}")

    def frames(self):
        """The frames, one after the other, until the stream ends."""
        for line in iter(self.answer.readline, b""):
            if line.startswith(b"data:"):
                yield json.loads(line[5:])

    def follow(self, tell):
        for frame in self.frames():
            channel, event, data = frame.get("c"), frame.get("e"), frame.get("d")
            if event == "@hello":
                self.hello = data
                tell({"live": data["me"], "denied": data["denied"]})
                threading.Thread(target=self.stay_alive, daemon=True).start()
            elif event and event.startswith("presence:"):
                roster = self.rosters.setdefault(channel, Roster())
                changes = roster.take(event, data, frame["v"], frame.get("k"))
                if changes is None:
                    self.control(sync=[channel])
                for name, payload in changes or []:
                    tell({"group": channel, name: payload})
            elif event and event != "ping":
                tell({"channel": channel, "event": event, "data": data})
        tell({"end": True})

    def control(self, groups=None, sync=()):
        """Says in which groups the stream is to be."""
        if groups is not None:
            self.groups = groups
        self.n += 1
        body = {"conn": self.hello["conn"], "n": self.n, "groups": self.groups, "sync": list(sync)}
        call = http.client.HTTPConnection(self.url.netloc, timeout=10)
        json_type = {"content-type": "application/json"}
        call.request("POST", f"{self.url.path}/control", json.dumps(body), self.headers | json_type)
        answer = call.getresponse()
        said = json.loads(answer.read())
        call.close()
        for group in set(self.rosters) - set(self.groups):
            del self.rosters[group]
        return answer.status, said

    def stay_alive(self):
        while True:
            time.sleep(20)
            self.control()


def fold(path):
    for case in json.load(open(path)):
        roster = Roster()
        for frame in case["frames"]:
            roster.take(frame["e"], frame["d"], frame["v"], frame.get("k"))
        members = [[key, roster.members[key]] for key in sorted(roster.members)]
        assert (members, roster.version) == (case["members"], case["version"]), case["name"]
        print(f"ok: {case['name']}")


def watch(base, user, *groups):
    lines, lock = queue.Queue(), threading.Lock()

    def tell(what):
        with lock:
            print(json.dumps(what), flush=True)

    stream = Stream(base, {"x-user": user}, groups)
    threading.Thread(target=lambda: [lines.put(line) for line in sys.stdin], daemon=True).start()
    threading.Thread(target=stream.follow, args=(tell,), daemon=True).start()
    while True:
        command, *names = lines.get().split()
        if command == "groups":
            status, said = stream.control(names)
            tell({"status": status, "said": said})
        elif command == "bye":
            tell({"status": stream.control([])[0]})
            return


if __name__ == "__main__":
    {"fold": fold, "watch": watch}[sys.argv[1]](*sys.argv[2:])
