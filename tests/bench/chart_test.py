"""Charts, by what a reader of the SVG finds in it."""

import os
import re
import sys
import unittest
import xml.etree.ElementTree as ET

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import chart  # pylint: disable=wrong-import-position

SVG = "{http://www.w3.org/2000/svg}"
ROWS = [("slow", 100.0, 200.0, False), ("<quick> & ours", 1.0, None, True)]


def shapes(svg, name):
    return [dict(shape.attrib) for shape in ET.fromstring(svg).iter(SVG + name)]


def words(svg):
    return [found.text for found in ET.fromstring(svg).iter(SVG + "text")]


class AChart(unittest.TestCase):
    def test_is_well_formed_whatever_its_words_are(self):
        svg = chart.bars("a < b", "c & d", "ms", ROWS)
        self.assertIn("<quick> & ours", words(svg))
        self.assertIn("a < b", words(svg))
        self.assertIn("c & d", words(svg))

    def test_has_bars_as_long_as_their_values(self):
        widths = [float(bar["width"]) for bar in shapes(chart.bars("", "", "ms", ROWS), "rect")
                  if "bar" in bar["class"]]
        self.assertAlmostEqual(widths[0] / widths[1], 100, delta=5)

    def test_has_bars_as_long_as_their_powers_of_ten(self):
        svg = chart.bars("", "", "ms", [("a", 10.0, None, False), ("b", 100.0, None, True),
                                        ("c", 1.0, 1000.0, True)], chart.Logarithmic)
        widths = [float(bar["width"]) for bar in shapes(svg, "rect") if "bar" in bar["class"]]
        self.assertAlmostEqual(widths[1] / widths[0], 2, delta=0.01)
        self.assertEqual({"1 ms", "10 ms", "100 ms", "1,000 ms"} & set(words(svg)),
                         {"1 ms", "10 ms", "100 ms", "1,000 ms"})

    def test_marks_what_is_larger_and_stays_within_its_frame(self):
        for scale in (chart.Linear, chart.Logarithmic):
            svg = chart.bars("", "", "ms", ROWS, scale)
            marks = [mark for mark in shapes(svg, "line") if mark["class"] == "mark"]
            self.assertEqual(len(marks), 1)
            self.assertLessEqual(float(marks[0]["x1"]), chart.WIDTH - chart.RIGHT)

    def test_has_colours_for_light_and_for_dark(self):
        svg = chart.bars("", "", "ms", ROWS)
        self.assertIn("prefers-color-scheme: dark", svg)
        named = set(re.findall(r"var\(--(\w+)\)", svg))
        for name in named:
            self.assertEqual(len(re.findall(rf"--{name}: #", svg)), 2, name)

    def test_has_a_line_for_each_series(self):
        svg = chart.lines("", "", "ms", {"one": ([(0, 1.0), (1, 10.0)], True, False),
                                         "two": ([(0, 2.0), (1, 3.0)], False, True)}, 2)
        found = shapes(svg, "polyline")
        self.assertEqual([line["class"] for line in found], ["line ours", "line other dashed"])
        points = [tuple(map(float, pair.split(","))) for pair in found[0]["points"].split()]
        self.assertLess(points[0][0], points[1][0])
        self.assertGreater(points[0][1], points[1][1])  # more is higher up
        self.assertIn("one", words(svg))


if __name__ == "__main__":
    unittest.main()
