#include "train/report/csv.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using namespace scca;

TEST_CASE("csv: only what needs quotes has them") {
  CHECK(csv_line({"full", "", "8 192", "0.5"}) == "full,,8 192,0.5\n");
  CHECK(csv_line({"scca-fixed(chunk=31,shift=7)", "a \"b\"", "two\nlines", "cr\r"}) ==
        "\"scca-fixed(chunk=31,shift=7)\",\"a \"\"b\"\"\",\"two\nlines\",\"cr\r\"\n");
}

TEST_CASE("csv: a number is the shortest that reads as the same") {
  CHECK(csv_number(0.1) == "0.1");
  CHECK(csv_number(129) == "129");
  CHECK(csv_number(1e22) == "1e+22");
  for (const double value : {1.0 / 3, 61.695028, -2.5e-9}) CHECK(std::stod(csv_number(value)) == value);
  CHECK(csv_number(std::nan("")).empty());
  CHECK(csv_number(-std::numeric_limits<double>::infinity()).empty());
}
