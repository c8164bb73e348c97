// The names of all saved weights and of all settings, as tests/golden/names.txt keeps them. Weights files and recipes
// of users hang on each: renaming is a decision, not an accident. With HADAL_RENEW_NAMES=1 this test writes the file
// anew.
#include <algorithm>
#include <set>
#include <sstream>

#include "hadal/io/file.h"
#include "hadal/io/weights.h"
#include "hadal/models/kinds.h"
#include "hadal/nn/init.h"
#include "hadal/tasks/task.h"
#include "hadal/train/config.h"

#include "tests/models/hash_weights.h"
#include "tests/support/support.h"

using namespace hadal;

namespace {

/// Their names are those of one block, so one block is enough to build: these take a gigabyte and more.
const std::set<std::string> kLarge = {"gpt2-medium", "gpt2-large", "gpt2-xl",   "tinyllama-1.1b",
                                      "llama2-7b",   "bert-large", "vit_l_14",  "vit_l_16",
                                      "vit_l_32",    "vit_h_14",   "vitpose_l", "vitpose_h"};

/// "weights resnet18: 122 tensors, 5f3c..."
std::string weights_line(const ModelKind& kind, const std::string& name) {
  const bool large = kLarge.contains(name);
  std::vector<std::string> lines;
  {
    const WithoutInit unset;
    const auto model = kind.make({name, large               ? Table{{"depth", 1}}
                                        : name == "darknet" ? Table{{"cfg", "yolov3-tiny"}}
                                                            : Table()});
    for (const auto& [key, tensor] : state_dict(*model).entries)
      lines.push_back(fmt::format("{} {}\n", key, fmt::join(tensor.sizes(), "x")));
  }
  std::sort(lines.begin(), lines.end());
  return fmt::format("weights {}{}: {} tensors, {:016x}", name, large ? " depth=1" : "", lines.size(),
                     test::fnv1a(fmt::format("{}", fmt::join(lines, ""))));
}

/// A line for each section and each kind of a part: "settings train.swa: begin end ...". A part within itself, as the
/// optimiser of an optimiser, is not gone into again.
void add_settings(const std::string& path, const std::vector<Field>& fields, std::vector<std::string>& out,
                  const std::set<std::vector<std::string>>& outer = {}) {
  std::string names;
  for (const auto& field : fields) {
    names += " " + field.name;
    const auto own = path + "." + field.name;
    if (field.children) add_settings(own, field.children(), out, outer);
    if (!field.kinds || outer.contains(field.kinds->names())) continue;
    auto inner = outer;
    inner.insert(field.kinds->names());
    for (const auto& name : field.kinds->names())
      add_settings(fmt::format("{}={}", own, name), field.kinds->schema(name)->fields(), out, inner);
  }
  out.push_back(fmt::format("settings {}:{}", path, names));
}

std::vector<std::string> all_names() {
  std::vector<std::string> out;
  for (const auto& kind : model_kinds())
    for (const auto& name : kind.names) {
      out.push_back(weights_line(kind, name));
      add_settings(fmt::format("model={}", name), kind.schema(name).fields(), out);
    }
  // Of a task's models the settings are above.
  std::set<std::vector<std::string>> models;
  for (const auto& task : tasks().items())
    if (const auto* field = task.schema.find("model"); field && field->kinds) models.insert(field->kinds->names());
  for (const auto& task : tasks().items()) add_settings(task.name, task.schema.fields(), out, models);
  add_settings("train", TrainConfig::fields().list, out);
  std::sort(out.begin(), out.end());
  return out;
}

/// "- what is gone", "+ what is new".
std::string difference(const std::vector<std::string>& before, const std::vector<std::string>& now) {
  std::vector<std::string> gone, added;
  std::set_difference(before.begin(), before.end(), now.begin(), now.end(), std::back_inserter(gone));
  std::set_difference(now.begin(), now.end(), before.begin(), before.end(), std::back_inserter(added));
  std::string out;
  for (const auto& line : gone) out += "- " + line + "\n";
  for (const auto& line : added) out += "+ " + line + "\n";
  return out;
}

}  // namespace

TEST(Names, OfWeightsAndSettingsStayAsTheyAre) {
  const auto now = all_names();
  const auto file = test::golden("names.txt");
  if (std::getenv("HADAL_RENEW_NAMES")) write_file(file, fmt::format("{}\n", fmt::join(now, "\n")));
  std::vector<std::string> before;
  std::istringstream lines(read_file(file));
  for (std::string line; std::getline(lines, line);) before.push_back(line);
  std::sort(before.begin(), before.end());
  const auto changed = difference(before, now);
  EXPECT_TRUE(changed.empty())
      << "renaming is a decision: weights and recipes that people have would no longer fit. What is new is welcome. If "
         "it is meant, HADAL_RENEW_NAMES=1 writes tests/golden/names.txt anew.\n"
      << changed;
}

TEST(Names, OfModelsAreOneEach) {
  std::set<std::string> seen;
  for (const auto& kind : model_kinds())
    for (const auto& name : kind.names) EXPECT_TRUE(seen.insert(name).second) << name;
  EXPECT_ERROR(kind_of_model("resnet17"), "resnet18");
  EXPECT_ERROR(kind_of_model("vit").make({"vit", {{"imge", 32}}}), "image");
}
