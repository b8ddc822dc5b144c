"""A script that comes with its request, `POST /` with {"code", "input", "name"}. The reply is
{"data", "type"} of what it returned, {} if it returned nothing, or 500 with {"error", "code",
"line", "column"}; what it prints goes to standard output, and is no part of the reply.

In a script `event` and `input` are the input, and `return` and `await` may stand outside of any
function. It is parsed and compiled as it is, never changed as text: lines and columns are the
user's.
"""

import ast
import builtins
import contextlib
import linecache
import os
import sys
import traceback
import types

import http1

AWAIT = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
COROUTINE = 0x80  # inspect.CO_COROUTINE
GENERATORS = 0x20 | 0x200
BODY = "<module>"


class _Outermost(ast.NodeTransformer):
    """Visits what is outside of any function or class."""

    def _stay_out(self, node):
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = visit_Lambda = _stay_out


class _FindReturn(_Outermost):
    found = False

    def visit_Return(self, node):
        self.found = True
        return node


class _AsFunctionBody(_Outermost):
    """What may stand in a module and not in a function whose variables are global."""

    def visit_AnnAssign(self, node):
        if not isinstance(node.target, ast.Name):
            return node
        place = {"lineno": node.lineno, "col_offset": node.col_offset,
                 "end_lineno": node.end_lineno, "end_col_offset": node.end_col_offset}
        if node.value is None:
            return ast.Pass(**place)
        return ast.Assign(targets=[node.target], value=self.visit(node.value), **place)

    def visit_ImportFrom(self, node):
        if node.names[0].name != "*":
            return node
        # As a statement of its own in the same module.
        source = ast.Module(body=[node], type_ignores=[])
        call = ast.parse("__import_all__(0)").body[0]
        call.value.args[0] = ast.Constant(value=ast.unparse(source))
        return ast.fix_missing_locations(ast.copy_location(call, node))


def _is_future_import(node):
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def _is_docstring(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(
        node.value.value, str)


def _code_of_module(tree, name):
    return compile(tree, name, "exec", flags=AWAIT, dont_inherit=True)


def _function_around(body, is_async):
    kind = ast.AsyncFunctionDef if is_async else ast.FunctionDef
    nothing = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
    function = kind(name="__script__", args=nothing, body=body, decorator_list=[], returns=None,
                    type_comment=None, lineno=1, col_offset=0)
    return ast.fix_missing_locations(function)


def _code_within(module_code):
    return next(each for each in module_code.co_consts
                if isinstance(each, types.CodeType) and each.co_name == "__script__")


def _code_of_function(tree, name):
    """Of a script that returns: a function, whose variables are global as a module's are."""
    head = [node for node in tree.body if _is_future_import(node)]
    body = [_AsFunctionBody().visit(node) for node in tree.body if not _is_future_import(node)]
    if body and _is_docstring(body[0]):
        body[0] = ast.copy_location(ast.Pass(), body[0])

    def compiled(statements, is_async):
        function = _function_around(statements, is_async)
        return _code_within(_code_of_module(
            ast.Module(body=[*head, function], type_ignores=[]), name))
    is_async, found = False, None
    with contextlib.suppress(SyntaxError):
        found = compiled(body, False)
    if found is None:
        is_async, found = True, compiled(body, True)  # it awaits, or is wrong anyway
    variables = [*found.co_varnames, *found.co_cellvars]
    if variables:
        found = compiled([ast.Global(names=sorted(set(variables))), *body], is_async)
    if found.co_flags & GENERATORS:
        raise SyntaxError("'yield' outside function", (name, 1, 1, None))
    return found.replace(co_name=BODY, co_qualname=BODY)


def compile_script(source, name):
    tree = ast.parse(source, name)
    looked = _FindReturn()
    for node in tree.body:
        looked.visit(node)
    return _code_of_function(tree, name) if looked.found else _code_of_module(tree, name)


def run_script(source, name, given):
    """What it returns; None if nothing."""
    module = types.ModuleType("__main__")
    module.__file__ = name
    module.__builtins__ = builtins
    module.event = module.input = given
    module.__import_all__ = lambda statement: exec(statement, module.__dict__)
    sys.modules["__main__"] = module
    # So that a traceback shows the line.
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    code = compile_script(source, name)
    function = types.FunctionType(code, module.__dict__)
    result = function()
    if code.co_flags & COROUTINE:
        import asyncio
        result = asyncio.run(result)
    return result


def kind_of(value):
    if isinstance(value, str):
        return "string"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return "number"
    return "json"


def users_traceback(error, name):
    """(text, line, column): from the script's own first frame on."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != name:
        trace = trace.tb_next
    told = traceback.TracebackException(type(error), error, trace)
    line = column = None
    if isinstance(error, SyntaxError) and error.filename == name:
        line, column = error.lineno, error.offset
    else:
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == name:
                line = trace.tb_lineno
            trace = trace.tb_next
    return "".join(told.format()).rstrip("\n"), line, column


def failure(error, name):
    text, line, column = users_traceback(error, name)
    summary = "".join(traceback.format_exception_only(type(error), error)).strip()
    place = {key: value for key, value in (("line", line), ("column", column)) if value}
    return {"error": summary.splitlines()[-1] if summary else type(error).__name__,
            "code": "script_failed", "traceback": text, **place}


def given_by(request):
    try:
        given = http1.from_json(request.body)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict) or not isinstance(given.get("code"), str) or not isinstance(
            given.get("name", ""), str):
        raise http1.BadRequest(400, 'send {"code": "return event", "input": …}', "bad_script")
    return given


def wait_for_threads():
    """As Python does at its end, for a script without a result: they may still print."""
    threading = sys.modules.get("threading")
    for thread in threading.enumerate() if threading else ():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()


def answer(connection, request):
    reply_to(connection, request)
    http1.finish(connection)
    # Not by returning: that would wait for what the script has left at work, and its interpreter
    # would tidy up memory that goes with the container.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def rehearse():
    main = sys.modules["__main__"]
    http1.rehearse(reply_to, b'{"code": "import json\\nreturn event", "input": [1]}')
    sys.modules["__main__"] = main
    linecache.clearcache()


def reply_to(connection, request):
    if request.path == "/compile":
        raise http1.BadRequest(404, "scripts in this language are not compiled", "not_found")
    given = given_by(request)
    code = given["code"].removeprefix("\ufeff")  # a byte order mark, as python3 does
    name = given.get("name") or "script.py"
    try:
        result = run_script(code, name, given.get("input"))
        if result is None:
            wait_for_threads()
        reply = {} if result is None else {"data": result, "type": kind_of(result)}
        body = http1.to_json(reply).encode(errors="replace")
    except SystemExit as stop:
        if stop.code in (None, 0):
            status, reply = 200, {}
        else:
            status, reply = 500, {"error": f"the script exited with {stop.code!r}",
                                  "code": "script_failed"}
        http1.reply_json(connection, status, reply)
        return
    except BaseException as error:  # whatever a script may raise is its own
        http1.reply_json(connection, 500, failure(error, name))
        return
    http1.reply(connection, 200, {"Content-Type": "application/json"}, body)
