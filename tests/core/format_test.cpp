#include "hadal/core/format.h"

#include <cmath>
#include <limits>

#include "tests/support/support.h"

using namespace hadal;

TEST(Format, Durations) {
  EXPECT_EQ(format_duration(0.4215), "0.42 s");
  EXPECT_EQ(format_duration(0.996), "1.0 s");
  EXPECT_EQ(format_duration(9.96), "10 s");
  EXPECT_EQ(format_duration(59.6), "1 min 00 s");
  EXPECT_EQ(format_duration(83), "1 min 23 s");
  EXPECT_EQ(format_duration(3599.7), "1 h 00 min");
  EXPECT_EQ(format_duration(7501), "2 h 05 min");
  EXPECT_EQ(format_duration(86400 * 3 + 3600 * 4), "3 d 4 h");
  EXPECT_EQ(format_duration(INFINITY), "-");
  EXPECT_EQ(format_duration(-1), "-");
  EXPECT_NE(format_duration(1e300), "-");
}

TEST(Format, Counts) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(-123), "-123");
  EXPECT_EQ(format_count(1234), "1,234");
  EXPECT_EQ(format_count(-1234567), "-1,234,567");
  EXPECT_EQ(format_count(std::numeric_limits<int64_t>::min()), "-9,223,372,036,854,775,808");
  EXPECT_EQ(format_short(812), "812");
  EXPECT_EQ(format_short(1534), "1.53 k");
  EXPECT_EQ(format_short(85.8e6), "85.8 M");
  EXPECT_EQ(format_short(999600), "1.00 M");
  EXPECT_EQ(format_bytes(812), "812 B");
  EXPECT_EQ(format_bytes(1536), "1.50 KiB");
  EXPECT_EQ(format_bytes(23.4 * (1ull << 30)), "23.4 GiB");
}

TEST(Format, ValuesInFourDigits) {
  EXPECT_EQ(format_value(0), "0");
  EXPECT_EQ(format_value(0.98123), "0.9812");
  EXPECT_EQ(format_value(-1.23456), "-1.235");
  EXPECT_EQ(format_value(0.012345), "0.01235");
  EXPECT_EQ(format_value(0.0009), "9.00e-04");
  EXPECT_EQ(format_value(12.345), "12.35");
  EXPECT_EQ(format_value(9.99999), "10.00");
  EXPECT_EQ(format_value(0.99999), "1.000");
  EXPECT_EQ(format_value(1234.5), "1234");
  EXPECT_EQ(format_value(1e7), "1.00e+07");
  EXPECT_EQ(format_value(NAN), "nan");
  EXPECT_EQ(format_value(-INFINITY), "-inf");
}

TEST(Format, WidthCountsColumnsNotBytes) {
  EXPECT_EQ(display_width("loss"), 4u);
  EXPECT_EQ(display_width("größe"), 5u);
  EXPECT_EQ(display_width("猫 cat"), 6u);
  EXPECT_EQ(display_width("e\xcc\x81"), 1u);
  EXPECT_EQ(display_width("\xff\xe4"), 2u);
  EXPECT_EQ(fit_width("größe", 3), "grö");
  EXPECT_EQ(fit_width("猫猫", 3), "猫");
  EXPECT_EQ(fit_width("abc", 9), "abc");
}

TEST(Format, TicksAreToldApart) {
  EXPECT_EQ(format_tick(0, 1), "0");
  EXPECT_EQ(format_tick(1e-17, 0.1), "0");
  EXPECT_EQ(format_tick(0.25, 0.05), "0.25");
  EXPECT_EQ(format_tick(-30, 10), "-30");
  EXPECT_EQ(format_tick(50000, 10000), "50 k");
  EXPECT_EQ(format_tick(101324, 1), "101.324 k");
  EXPECT_EQ(format_tick(101324.5, 0.5), "101.3245 k");
  EXPECT_EQ(format_tick(2.5e6, 5e5), "2.5 M");
  EXPECT_EQ(format_tick(3e9, 1e9), "3e+09");
  EXPECT_NE(format_tick(1.4e9, 1), format_tick(1.4e9 + 1, 1));
  EXPECT_EQ(format_tick(2e-5, 1e-5), "2e-05");
  EXPECT_EQ(tick_step(10, 5), 2);
  EXPECT_EQ(tick_step(0.9, 4), 0.2);
}
