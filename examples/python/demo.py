"""Shows what the client can: python3 demo.py SOCKET"""

import sys

from conclave_client import PlannerError, connect

ACTIONS = ["attack", "block", "retreat"]


def moment(health):
    return {"scene": "combat", "location": "Bleak Falls Barrow", "health": health, "inCombat": True}


if len(sys.argv) != 2:
    sys.exit("usage: python3 demo.py SOCKET, the path that `conclave serve --socket` listens at")

with connect(sys.argv[1], client="demo.py") as planner:
    print(f"connected to conclave {planner.server['version']}, domain {planner.server['domain']}")

    attempts = []
    plan = planner.plan("lydia", moment(41), ACTIONS, {"attack": 0.4, "block": 0.7}, timeout_ms=5000, on_attempt=attempts.append)
    assert plan["action"] in ACTIONS and plan["agent"] == "lydia"
    print(f"lydia: {plan['action']} ({plan['source']}), {len(attempts)} attempts told while it waited")

    # Many at once; each future gets the answer to its own question.
    futures = {f"guard {n}": planner.begin(f"guard {n}", moment(n), ACTIONS, timeout_ms=5000) for n in range(1, 41)}
    assert all(future.result()["agent"] == agent for agent, future in futures.items())
    print(f"{len(futures)} plans pipelined")

    doomed = planner.begin("ghost", {**moment(99), "location": "nowhere"}, ACTIONS, timeout_ms=5000)
    planner.cancel(doomed)
    try:
        print(f"ghost was faster than its cancel: {doomed.result()['action']}")
    except PlannerError as error:
        print(f"ghost: {error.code}")

    question = {"type": "predicate", "instructions": "The guard is in danger."}
    request = {"model": "conclave", "input": "A wolf comes.", "questions": [question]}
    try:
        [answer] = planner.decide(request, timeout_ms=5000)["answers"]
        print(f"in danger: {answer.get('probability', answer['type'])}")
    except PlannerError as error:
        print(f"in danger: {error.code}, as no model can be read")

    try:
        planner.plan("lydia", {**moment(41), "mood": "bad"}, ACTIONS)
    except PlannerError as error:
        print(f"refused: {error.code}: {error}")

    print(f"{planner.stats()['plans']['settled']} plans settled")
