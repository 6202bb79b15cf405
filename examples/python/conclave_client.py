"""A client for Conclave's socket, of one file, on the standard library alone.

    with connect("/run/conclave/plan.sock") as planner:
        plan = planner.plan("lydia", {"scene": "combat", "health": 41}, ["attack", "block"], timeout_ms=2000)
        print(plan["action"], plan["source"])

Many plans may be under way at once, from one thread or several: `begin` returns a future, `plan` waits for it. The protocol
is JSON-RPC 2.0, one message a line (docs/socket.md). Needs Python 3.9 or later, and Unix sockets.
"""

import json
import socket
import threading
import traceback
from concurrent.futures import Future, wait

PROTOCOL = 1
CALLS_MAX = 255  # At 256 plans in flight the server stops reading, cancels too.
SILENCE = 5.0  # Seconds that a plan may be late, until its server counts as gone.


class PlannerError(Exception):
    """What the planner refused or could not do. `code` tells which: ERR_REQUEST_INVALID, ERR_PLAN_CANCELLED, ..."""

    def __init__(self, code, message, retryable=False):
        super().__init__(message)
        self.code = code
        self.retryable = retryable


class Planner:
    """One connection. Use `connect`."""

    def __init__(self, path, client="python", connect_timeout=3.0):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sending = threading.Lock()
        self._state = threading.Lock()
        self._room = threading.Semaphore(CALLS_MAX)
        self._pending = {}  # By id: the future, and who hears the attempts.
        self._next_id = 1
        self._ended = None
        self._reader = None
        try:
            self._socket.settimeout(connect_timeout)
            self._socket.connect(path)
            # Sending and receiving wait as long as it takes; a planner keeps its deadlines itself, and see `plan`.
            self._socket.settimeout(None)
            self._reader = threading.Thread(target=self._read, name="conclave", daemon=True)
            self._reader.start()
            self.server = self._ask("hello", {"protocol": PROTOCOL, "client": client}, timeout=connect_timeout)
        except BaseException:
            self.close()
            raise

    def plan(self, agent, observation, actions, q_values=None, **options):
        """The plan: a dict with `action`, `source`, `reason`, `attempts`, ..., and `why` where no model decided. Takes the options of `begin`.
        A server that hangs is left: ERR_PEER_EXITED, `SILENCE` after the `timeout_ms` that was given."""
        return self._within(self.begin(agent, observation, actions, q_values, **options), options.get("timeout_ms"))

    def decide(self, request, **options):
        """The answers to questions about a state, with a probability for each option: to a request of the Decisions API (`input`) or
        of System One (`state`), in the form of that protocol. Takes the options of `begin_decision`, and leaves a server that hangs."""
        return self._within(self.begin_decision(request, **options), options.get("timeout_ms"))

    def _within(self, future, timeout_ms):
        # One that is no number is for the server to refuse, as one of more than a day.
        seconds = min(timeout_ms / 1000, 86_400) + SILENCE if isinstance(timeout_ms, (int, float)) else None
        done, _ = wait([future], seconds)
        if not done:
            self._end(PlannerError("ERR_PEER_EXITED", f"the planner has said nothing for {SILENCE} s after its deadline"))
        return future.result()

    def begin(self, agent, observation, actions, q_values=None, timeout_ms=None, priority=None, on_attempt=None, domain=None):
        """Asks for a plan and returns its future at once. `cancel` ends it. `on_attempt` hears each attempt as it ends, on
        the thread that reads; it must not wait for anything. `domain` names the agent's domain where the planner has several.
        Raises TypeError or ValueError for what JSON cannot say."""
        params = _state(agent, observation, actions, domain)
        if q_values is not None:
            params["qValues"] = q_values
        if timeout_ms is not None:
            params["timeoutMs"] = timeout_ms
        if priority is not None:
            params["priority"] = priority
        if on_attempt is not None:
            params["progress"] = True
        return self._call("plan", params, on_attempt)

    def begin_decision(self, request, timeout_ms=None, fallback=None, cache=None):
        """Asks for a decision and returns its future at once. `fallback=False` asks no other model; `cache` is "use", "renew" or "off"."""
        options = {"timeoutMs": timeout_ms, "fallback": fallback, "cache": cache}
        return self._call("decide", {**request, **{name: value for name, value in options.items() if value is not None}})

    def cancel(self, future):
        """Ends the plan or decision of a future: it raises PlannerError with ERR_PLAN_CANCELLED or ERR_CANCELLED, unless it was answered before."""
        if not future.done():
            self._send(_line({"jsonrpc": "2.0", "method": "$/cancel", "params": {"id": future.call_id}}))

    def peek(self, agent, observation, actions, domain=None):
        """What is remembered for this very state, or None. Asks no model."""
        return self._ask("peek", _state(agent, observation, actions, domain))

    def expect(self, futures):
        """Tells requests that agents will make soon: dicts with `agent`, `observation` and `actions`, if known `inMs` and `likelihood`, and `domain` where there are several."""
        self._ask("expect", {"futures": list(futures)})

    def observe(self, agent, observation, actions, q_values=None, domain=None):
        """Tells the state that an agent is in now. Plans of it that settle later have one of these actions, and a `landing`."""
        params = _state(agent, observation, actions, domain)
        if q_values is not None:
            params["qValues"] = q_values
        self._ask("observe", params)

    def stats(self):
        return self._ask("stats")

    def clear_cache(self):
        """Forgets every decision, for everybody who uses the planner."""
        self._ask("clearCache")

    def close(self):
        self._end(PlannerError("ERR_PLANNER_CLOSED", "the connection is closed"))
        if self._reader is not None and self._reader is not threading.current_thread():
            self._reader.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _ask(self, method, params=None, timeout=None):
        return self._call(method, params).result(timeout)

    def _call(self, method, params=None, on_attempt=None):
        future = Future()
        future.set_running_or_notify_cancel()  # So that nobody ends it but the planner; see `cancel`.
        with self._state:
            future.call_id = self._next_id
            self._next_id += 1
        message = {"jsonrpc": "2.0", "id": future.call_id, "method": method}
        if params is not None:
            message["params"] = params
        line = _line(message)  # First: what cannot be said must not wait for an answer, nor take anybody's room.
        self._room.acquire()
        future.add_done_callback(lambda _: self._room.release())
        with self._state:
            ended = self._ended
            if ended is None:
                self._pending[future.call_id] = (future, on_attempt)
        if ended is None:
            self._send(line)
        else:
            future.set_exception(ended)
        return future

    def _send(self, line):
        try:
            with self._sending:
                self._socket.sendall(line)
        except OSError as error:
            self._end(PlannerError("ERR_PEER_EXITED", f"the connection has failed: {error}"))

    def _read(self):
        reason = "the connection has ended"
        try:
            with self._socket.makefile("rb") as lines:
                for line in lines:
                    self._hear(json.loads(line))
        except Exception as error:  # Whatever it is, nobody reads any more: all who wait must hear of it.
            reason = f"the connection has failed: {error}"
        self._end(PlannerError("ERR_PEER_EXITED", reason))

    def _hear(self, message):
        if message.get("method") == "$/progress":
            params = message["params"]
            with self._state:
                _, on_attempt = self._pending.get(params["id"], (None, None))
            if on_attempt is not None:
                try:
                    on_attempt(params["attempt"])
                except Exception:
                    traceback.print_exc()  # Nobody waits for it here, and the plan goes on.
            return
        with self._state:
            future, _ = self._pending.pop(message.get("id"), (None, None))
        error = message.get("error")
        if error is not None:
            data = error.get("data", {})
            failure = PlannerError(data.get("code", "ERR_INTERNAL"), error["message"], data.get("retryable", False))
            if future is None:
                self._end(failure)  # Of no call: the server turns this client away.
            else:
                future.set_exception(failure)
        elif future is not None:
            future.set_result(message.get("result"))

    def _end(self, error):
        with self._state:
            if self._ended is not None:
                return
            self._ended = error
            pending, self._pending = self._pending, {}
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # It was not connected, or is not any more.
        self._socket.close()
        for future, _ in pending.values():
            future.set_exception(error)


def _state(agent, observation, actions, domain):
    state = {"agent": agent, "observation": observation, "actions": list(actions)}
    return state if domain is None else {"domain": domain, **state}


def _line(message):
    return (json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n").encode("utf-8")


def connect(path, **options):
    """A `Planner` at the socket of `conclave serve --socket PATH`. Raises OSError where nobody listens, and PlannerError
    with ERR_PROTOCOL_VERSION where the server speaks another protocol."""
    return Planner(path, **options)
