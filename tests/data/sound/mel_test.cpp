#include "hadal/data/sound/mel.h"

#include "hadal/io/safetensors.h"

#include "tests/support/support.h"

using namespace hadal;
using namespace hadal::test;

TEST(Mel, IsLibrosas) {
  const auto file = read_safetensors(golden("sound.safetensors"));
  for (const auto& [name, config] : std::vector<std::pair<std::string, MelConfig>>{
           {"speech", {}}, {"music", {.rate = 22050, .window = 512, .hop = 160, .bands = 24}}}) {
    EXPECT_LT(relative_error(mel_filters(config), file.at(name + "/filters")), 1e-5) << name;
    EXPECT_LT(relative_error(log_mel(file.at(name + "/samples"), config), file.at(name + "/log_mel")), 1e-4) << name;
  }
}

TEST(Mel, TakesASoundShorterThanAWindow) {
  EXPECT_EQ(log_mel(torch::ones({1}), {}).sizes(), (std::vector<int64_t>{40, 1}));
  EXPECT_EQ(log_mel(torch::ones({200}), {}).sizes(), (std::vector<int64_t>{40, 3}));
}

TEST(Mel, SaysWhichFrequenciesDoNotFit) {
  EXPECT_ERROR(mel_filters({.rate = 8000, .high = 5000}),
               "[mel] frequencies from 0 to 5000 Hz do not fit a rate of 8000");
}
