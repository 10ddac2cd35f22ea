"""What a hostile program tries against its own results and against us, by area."""

from __future__ import annotations

from .attack import CALL, EPERM, Attack

__all__ = ["ATTACKS_ON_RESULTS"]

ATTACKS_ON_RESULTS = {
    "output": {
        "a second result": Attack(
            body='send(\'{"kind":"result","id":0,"output":1,"stdout":""}\')\n    return 2', stopped_by="protocol", kind="success", output=1
        ),
        "to linger after its result": Attack(
            body='send(\'{"kind":"result","id":0,"output":1,"stdout":""}\')\n    while True:\n        pass',
            stopped_by="protocol",
            kind="success",
            output=1,
        ),
        "the model's fault": Attack(
            body='send(\'{"kind":"result","id":0,"failure":{"kind":"model","message":"503"},"stdout":""}\')\n    os._exit(0)',
            stopped_by="protocol",
            kind="invalid",
            message="nobody else saw",
        ),
        "our fault": Attack(
            body='send(\'{"kind":"result","id":0,"failure":{"kind":"infrastructure","message":"x"},"stdout":""}\')\n    os._exit(0)',
            stopped_by="protocol",
            kind="invalid",
            message="nobody else saw",
        ),
        "a giant frame": Attack(
            body="os.write(wire(), struct.pack('>I', 1 << 31))\n    while True:\n        os.write(wire(), bytes(1 << 20))",
            stopped_by="protocol",
            kind="invalid",
            message="announces",
        ),
        "a frame that is no JSON": Attack(body="send('{')\n    return 1", stopped_by="protocol", kind="invalid", message="must be JSON"),
        "a frame of another's": Attack(
            body='send(\'{"kind":"reply","id":1}\')\n    return 1', stopped_by="protocol", kind="invalid", message="no frame 'reply'"
        ),
        "a flood of small spans": Attack(
            body="""text = json.dumps({'kind': 'span', 'id': 0, 'span': {'path': '0', 'component': '', 'kind': 'tool', 'inputs': '',
            'output': '', 'error': '', 'seconds': 0.1, 'input_tokens': 0, 'output_tokens': 0, 'feeds': []}})
    frame = struct.pack(">I", len(text)) + text.encode()
    while True:
        os.write(wire(), frame * 3000)""",
            stopped_by="protocol",
            kind="invalid",
            message="601 spans",
        ),
        "a flood of spans": Attack(
            body="""text = json.dumps({'kind': 'span', 'id': 0, 'span': {'path': '0', 'component': 'c', 'kind': 'tool',
            'inputs': 'x' * 10**6,
            'output': '', 'error': '', 'seconds': 0.1, 'input_tokens': 0, 'output_tokens': 0, 'feeds': []}})
    while True:
        send(text)""",
            stopped_by="protocol",
            kind="invalid",
            message="more than a program can have to say",
        ),
        "text without end": Attack(
            body="""import sys
    for n in range(10**5):
        print('x' * 100)
    return len('x')""",
            stopped_by="bound of what is kept",
            kind="success",
            output=1,
        ),
        "commands to a terminal": Attack(
            body="print('\\x1b[2J\\x1b]0;x\\x07')\n    return 1", stopped_by="check of texts", kind="success", output=1
        ),
        "text past what is kept, by descriptor": Attack(
            body="os.write(1, b'x' * 10**6)\n    return 1", stopped_by="/dev/null", kind="success", output=1
        ),
        "an output that is too large": Attack(
            body="return 'x' * (5 << 20)", stopped_by="check of outputs", kind="invalid", message="bytes"
        ),
        "an output that is small as text and large in memory": Attack(
            body="""send('{"kind":"result","id":0,"stdout":"","output":[' + '{},' * 10**6 + '1]}')
    os._exit(0)""",
            stopped_by="check of outputs",
            kind="invalid",
            message="more than 250000 lists and objects",
        ),
        "an output that is no JSON": Attack(body="return {1, 2}", stopped_by="check of outputs", kind="invalid", message="must be JSON"),
        "a score of its own": Attack(
            body="""send('{"kind":"result","id":0,"output":1,"score":1.0,"value":1.0,"stdout":""}')
    os._exit(0)""",
            stopped_by="protocol",
            kind="success",
            output=1,
        ),
        "an end without a result": Attack(body="os._exit(0)", stopped_by="protocol", kind="crash", message="exited with code 0"),
        "half a frame": Attack(
            body="os.write(wire(), struct.pack('>I', 100) + b'{')\n    os._exit(0)",
            stopped_by="protocol",
            kind="crash",
            message="exited with code 0",
        ),
        "a pickle": Attack(
            body="""import pickle
    text = pickle.dumps(print)
    os.write(wire(), struct.pack('>I', len(text)) + text)
    return 1""",
            stopped_by="protocol",
            kind="invalid",
            message="must be JSON",
        ),
    },
    "codec": {
        "an output that is nested without end": Attack(
            body="import sys\n    sys.setrecursionlimit(10**5)\n    v = []\n    for _ in range(700):\n        v = [v]\n    return v",
            stopped_by="check of outputs",
            kind="invalid",
            message="nested deeper than 64 levels",
        ),
        "an infinite number": Attack(
            body='send(\'{"kind":"result","id":0,"output":[1e999],"stdout":""}\')\n    os._exit(0)',
            stopped_by="check of outputs",
            kind="invalid",
            message="finite",
        ),
        "text that is none": Attack(body="return '\\ud800'", stopped_by="check of outputs", kind="invalid", message="valid text"),
        "not a number": Attack(body="return float('nan')", stopped_by="check of outputs", kind="invalid", message="JSON compliant"),
        "not a number, by its own frame": Attack(
            body='send(\'{"kind":"result","id":0,"output":NaN,"stdout":""}\')\n    os._exit(0)',
            stopped_by="protocol",
            kind="invalid",
            message="NaN is not a finite number",
        ),
        "minus infinity": Attack(body="return [float('-inf')]", stopped_by="check of outputs", kind="invalid", message="JSON compliant"),
        "true for a number": Attack(
            body="return True", stopped_by="scorer", scorer_says="expected a finite number", kind="success", output=True
        ),
        "an integer that no float holds": Attack(
            body="return 10**4000", stopped_by="scorer", scorer_says="expected a finite number", kind="success", output=10**4000
        ),
        "an integer of too many digits": Attack(
            body="return 10**6000", stopped_by="check of outputs", kind="invalid", message="4300 digits"
        ),
        "an integer of too many digits, by its own frame": Attack(
            body="""send('{"kind":"result","id":0,"stdout":"","output":' + '1' * 100000 + '}')
    os._exit(0)""",
            stopped_by="protocol",
            kind="invalid",
            message="4300 digits",
        ),
        "nesting that exhausts who reads it": Attack(
            body="""send('{"kind":"result","id":0,"stdout":"","output":' + '[' * 10**6 + ']' * 10**6 + '}')
    os._exit(0)""",
            stopped_by="protocol",
            kind="invalid",
            message="recursion",
        ),
        "bytes that are no text": Attack(
            body="os.write(wire(), struct.pack('>I', 2) + b'\\xff\\xfe')\n    os._exit(0)",
            stopped_by="protocol",
            kind="invalid",
            message="must be JSON",
        ),
        "a key that is no text": Attack(body="return {'\\ud800': 1}", stopped_by="check of outputs", kind="invalid", message="valid text"),
        "a number that says it equals all": Attack(
            body="""class Number(float):
        __eq__ = lambda self, other: True
        __hash__ = float.__hash__
    return Number(0.5)""",
            stopped_by="values decoded outside",
            kind="success",
            output=0.5,
        ),
        "an object that runs code when it is encoded": Attack(
            body="""class Array:
        def tolist(self):
            return open(there['secret']).read()
    return Array()""",
            stopped_by="Landlock",
        ),
    },
    "tool loop": {
        "a call that is nested without end": Attack(
            body=f"send({CALL!r}.replace('[]', '[' * 700 + ']' * 700) % ('0', 0))\n    return answer()['failure']['kind']",
            stopped_by="check of calls",
            kind="success",
            output="invalid",
        ),
        "a draw of another purpose": Attack(
            body=f"send({CALL % ('../../test/0', 0)!r})\n    return 1", stopped_by="protocol", kind="invalid", message="call path"
        ),
        "an occurrence that is none": Attack(
            body=f"send({CALL % ('0', '-1')!r})\n    return 1", stopped_by="protocol", kind="invalid", message="expected an integer"
        ),
        "a flood of calls": Attack(
            body=f"""for n in range(10**6):
        send({CALL!r}.replace('"span":"0"', f'"span":"{{n}}"') % ('0', n))
        answer()""",
            stopped_by="protocol",
            kind="invalid",
            message="1005 model calls",
        ),
        "a flood of calls that cannot be sent on": Attack(
            body=f"""text = {CALL!r}.replace('[]', '[1e999]') % ('0', 0)
    for n in range(10**6):
        send(text)
        answer()""",
            stopped_by="protocol",
            kind="invalid",
            message="model calls",
        ),
        "more calls than it may make": Attack(
            body="""answers = []
    for n in range(5):
        send(CALL.replace('"span":"0"', f'"span":"{n}"') % ('0', n))
        answers.append(answer())
    return answers[-1]['failure']['kind']""",
            stopped_by="protocol",
            kind="success",
            output="budget",
        ),
        "two calls at one place": Attack(
            body="send(CALL % ('0', 0))\n    answer()\n    send(CALL % ('0', 1))\n    return 1",
            stopped_by="protocol",
            kind="invalid",
            message="two calls at",
        ),
        "a call that is too large": Attack(
            body="""send(CALL.replace('[]', '[' + '"' + 'x' * (2 << 20) + '"' + ']') % ('0', 0))
    return answer()['failure']['kind']""",
            stopped_by="check of calls",
            kind="success",
            output="invalid",
        ),
        "a call as a proposer, to an endpoint of its own": Attack(
            body="""send(CALL.replace('"kind":"call"', '"kind":"call","role":"proposer","alias":"x","candidate":0') % ('0', 0))
    return answer()['kind']""",
            stopped_by="protocol",
            kind="success",
            output="reply",
        ),
        "a tool that reads what it may not": Attack(
            body="""from graftwork.programs import tool
    @tool
    def look(path: str) -> str:
        \"\"\"What a file holds.\"\"\"
        return open(path).read()
    return look(there['secret'])""",
            stopped_by="Landlock",
        ),
    },
    "exceptions": {
        "our channel, out of the frames": Attack(
            body="""import sys
    frame = sys._getframe()
    while frame.f_code.co_name != 'serve':
        frame = frame.f_back
    text = b'{"kind":"result","id":0,"output":1,"stdout":"ours"}'
    frame.f_locals['channel'].send(struct.pack('>I', len(text)) + text)
    return 2""",
            stopped_by="protocol",
            kind="success",
            output=1,
        ),
        "the target, out of the frames": Attack(
            body="""import sys
    frame = sys._getframe()
    while frame.f_code.co_name != 'serve':
        frame = frame.f_back
    return sorted(frame.f_locals['case'])""",
            stopped_by="targets stay outside",
            kind="success",
            output=["digest", "entry", "example_id", "id", "inputs", "kind", "limits", "seed", "source"],
        ),
        "the walls taken down, by our own functions": Attack(
            body="""import sys
    frame = sys._getframe()
    while frame.f_code.co_name != 'serve':
        frame = frame.f_back
    ours = frame.f_globals
    ours['restrict_files'](ours['file_ruleset'](readable=[os.open('/', os.O_PATH)], writable='.'))""",
            stopped_by="seccomp",
            kind="crash",
            message="no Landlock",
        ),
        "an exception whose text reads a file": Attack(
            body="""class Error(Exception):
        def __str__(self):
            return open(there['secret']).read()
    raise Error""",
            stopped_by="Landlock",
            kind="crash",
            message="str() failed",
        ),
        "an exception without end": Attack(
            body="raise ValueError('x' * 10**7)", stopped_by="bound of messages", kind="crash", message="ValueError: xxx"
        ),
        "an exception that causes itself": Attack(
            body="""error = ValueError('mine')
    error.__cause__ = error.__context__ = error
    raise error""",
            stopped_by="own traceback only",
            kind="crash",
            message="ValueError: mine",
        ),
        "an exception that says that the model failed": Attack(
            body="""from graftwork.programs.runtime import PromptFailed
    raise PromptFailed('model', '503', component='c')""",
            stopped_by="protocol",
            kind="invalid",
            message="nobody else saw",
        ),
        "an end that looks like ours": Attack(
            body="raise SystemExit(0)", stopped_by="child's boundary", kind="crash", message="exited with 0"
        ),
        "an interruption": Attack(body="raise KeyboardInterrupt", stopped_by="child's boundary", kind="crash", message="KeyboardInterrupt"),
    },
    "imports": {
        "our own source": Attack(body="return open(there['source']).read()", stopped_by="Landlock"),
        "our modules": Attack(body="import graftwork.evaluators.worker", stopped_by="Landlock"),
        "a package that is not listed": Attack(
            body="import pydantic", stopped_by="path of imports", kind="crash", message="No module named 'pydantic'"
        ),
        "our modules, out of what is loaded": Attack(
            body="""import sys
    return [name for name in sys.modules if name.startswith('graftwork.evaluators')]""",
            stopped_by="template",
            kind="success",
            output=[],
        ),
        "our modules by their file": Attack(
            body="""import importlib.util
    spec = importlib.util.spec_from_file_location('worker', there['source'])
    spec.loader.exec_module(importlib.util.module_from_spec(spec))""",
            stopped_by="Landlock",
        ),
        "packages by their folder": Attack(body="return open(there['packages'] + '/pydantic/__init__.py').read()", stopped_by="Landlock"),
        "a module of its own, put before ours": Attack(
            body="""open('json.py', 'w').write('x = 1')
    import sys
    del sys.modules['json']
    import json
    return hasattr(json, 'x')""",
            stopped_by="path of imports",
            kind="success",
            output=False,
        ),
    },
    "timing": {
        "a flood of calls whose answers nobody reads": Attack(
            body=f'for n in range(10**6):\n        send({CALL!r}.replace(\'"span":"0"\', f\'"span":"{{n}}"\') % (\'0\', n))',
            stopped_by="wall clock",
            kind="timeout",
            message="more than 0.5 s",
            timeout_s=0.5,
        ),
        "silence": Attack(
            body="os.close(wire())\n    while True:\n        pass",
            stopped_by="wall clock",
            kind="timeout",
            message="more than 0.5 s",
            timeout_s=0.5,
        ),
        "to sleep": Attack(
            body="import time\n    time.sleep(60)", stopped_by="wall clock", kind="timeout", message="more than 0.5 s", timeout_s=0.5
        ),
        "to compute without end": Attack(
            body="while True:\n        pass", stopped_by="wall clock", kind="timeout", message="more than 0.5 s", timeout_s=0.5
        ),
        "a pattern that never ends": Attack(
            body="import re\n    return bool(re.match('(a+)+$', 'a' * 60 + 'b'))",
            stopped_by="wall clock",
            kind="timeout",
            message="more than 0.5 s",
            timeout_s=0.5,
        ),
        "to ignore what ends it": Attack(
            body="""import signal
    for number in range(1, 32):
        if number not in (9, 19):
            signal.signal(number, signal.SIG_IGN)
    while True:
        pass""",
            stopped_by="wall clock",
            kind="timeout",
            message="more than 0.5 s",
            timeout_s=0.5,
        ),
        "to stop itself": Attack(
            body="os.kill(os.getpid(), 19)", stopped_by="wall clock", kind="timeout", message="more than 0.5 s", timeout_s=0.5
        ),
        "to end in a handler, again and again": Attack(
            body="""def solve_again():
        try:
            while True:
                pass
        except BaseException:
            solve_again()
    solve_again()""",
            stopped_by="wall clock",
            kind="timeout",
            message="more than 0.5 s",
            timeout_s=0.5,
        ),
        "the machine's clock": Attack(body="import time\n    time.clock_settime(time.CLOCK_REALTIME, 0)", stopped_by="seccomp"),
        "the machine's clock, by degrees": Attack(
            body="return [call(159, 0), call(305, 0, 0), call(164, 0, 0)]", stopped_by="seccomp", kind="success", output=[EPERM] * 3
        ),
        "the driver's CPU time": Attack(
            body="import time\n    return time.clock_gettime((~there['driver'] << 3) | 2)", stopped_by="seccomp"
        ),
        "the template's CPU time": Attack(
            body="import time\n    return time.clock_gettime((~os.getppid() << 3) | 2)", stopped_by="seccomp"
        ),
        "to wait on the driver's CPU time": Attack(
            body="return call(230, (~there['driver'] << 3) | 2, 0, 0, 0)", stopped_by="seccomp", kind="success", output=EPERM
        ),
        "timers without number": Attack(
            body="""place, n = ctypes.c_long(0), 0
    while call(222, 1, 0, ctypes.addressof(place))[0] == 0:
        n += 1
    return n <= 256""",
            stopped_by="limit of timers",
            kind="success",
            output=True,
        ),
    },
}
