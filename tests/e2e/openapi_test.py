"""GET /openapi.json: what it describes is there, and what is there it describes."""

import re
import unittest

from faasd_process import FaasdTestCase

NOBODY = "nobody"
METHODS = ("get", "put", "post", "delete")
# Of an image, not of a function: the options of `faas new` below.
OF_THE_ARCHIVE = {"tag", "platform", "digest", "layer_request"}


class TheDescription(FaasdTestCase):
    def setUp(self):
        super().setUp()
        self.faasd = self.start()
        status, _, self.document = self.faasd.api("GET", "/openapi.json")
        self.assertEqual(status, 200)

    def resolve(self, thing):
        while "$ref" in thing:
            found = self.document
            for word in thing["$ref"].removeprefix("#/").split("/"):
                found = found[word]
            thing = found
        return thing

    def test_is_of_this_daemon(self):
        _, _, version = self.faasd.api("GET", "/version")
        self.assertEqual(self.document["info"]["version"], version["version"])

    def test_names_paths_that_are_there(self):
        paths = self.document["paths"]
        self.assertGreater(len(paths), 12)
        for path, operations in paths.items():
            target = path.replace("{name}", NOBODY).replace("{path}", NOBODY)
            for method in METHODS:
                if method not in operations or path == "/v1/gc":
                    continue
                status, _, answer = self.faasd.api(method.upper(), target)
                said = answer.get("code") if isinstance(answer, dict) else None
                self.assertNotIn(said, ("unknown_path", "method_not_allowed"), (method, path))
                self.assertIn(str(status), operations[method]["responses"], (method, path))

    def test_has_every_option_of_a_deploy_and_no_other(self):
        put = self.document["paths"]["/v1/functions/{name}"]["put"]
        parameters = [self.resolve(each) for each in put["parameters"]]
        described = {each["name"] for each in parameters if each["in"] == "query"}
        help_text = self.faasd.faas("new", "--help", check=True).stdout
        flags = {flag.replace("-", "_") for flag in re.findall(r"--([a-z-]+)", help_text)}
        of_the_caller = {"file", "json", "socket", "url", "token", "help"}
        self.assertEqual(described, flags - of_the_caller | OF_THE_ARCHIVE)


if __name__ == "__main__":
    unittest.main()
