// Every optimiser against its reference, step by step: the problems are those of tests/golden/areas/optimizers.py.
#include <set>
#include <sstream>

#include "hadal/io/file.h"
#include "hadal/io/safetensors.h"
#include "hadal/optim/optimizer.h"

#include "tests/support/support.h"

namespace hadal {
namespace {

using test::relative_error;

struct Case {
  size_t index;
  Part part;
  bool sparse = false;
};

std::vector<Case> cases(const NamedTensors& golden) {
  std::vector<Case> out;
  std::istringstream lines(golden.metadata.at("cases"));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    Case made{out.size(), {}};
    words >> made.part.name;
    for (std::string word; words >> word;) {
      const auto equals = word.find('=');
      if (word == "(sparse)")
        made.sparse = true;
      else
        made.part.settings.set_path(word.substr(0, equals), Word{word.substr(equals + 1)});
    }
    out.push_back(made);
  }
  return out;
}

std::vector<int64_t> kept_steps(const NamedTensors& golden, const Case& which, const std::string& type) {
  std::istringstream words(golden.metadata.at((which.part.name == "lbfgs" ? "kept.lbfgs." : "kept.") + type));
  return {std::istream_iterator<int64_t>(words), {}};
}

/// The three problems, and the parameters that an optimiser moves.
struct Problem {
  std::map<std::string, Tensor> data;
  TensorsByName params;
  std::unique_ptr<Optimizer> optimizer;
  const Case& which;
  int64_t step = 0;

  /// With `gaps` no parameter lies densely in memory, so that its formula runs on whole tensors, as on a GPU.
  Problem(const NamedTensors& golden, const Case& which_case, at::ScalarType type, bool gaps = false)
      : which(which_case) {
    for (const auto& [name, tensor] : golden.entries)
      data[name] = tensor.is_floating_point() ? tensor.to(type) : tensor;
    for (const char* name : {"w1", "b1", "w2", "b2", "quadratic", "embed.weight", "h"})
      params.emplace_back(name, start_of(name, gaps).requires_grad_());
    optimizer = optimizers().make(which.part, {{params}});
  }

  Tensor start_of(const std::string& name, bool gaps) const {
    const auto& start = data.at("start." + name);
    return gaps ? at::stack({start, start}, -1).select(-1, 0) : start.clone();
  }

  Tensor operator[](const std::string& name) const {
    for (const auto& [key, tensor] : params)
      if (key == name) return tensor;
    return data.at(name);
  }

  Tensor loss() const {
    const auto& p = *this;
    const auto hidden = torch::tanh(at::linear(p["x"], p["w1"], p["b1"]));
    const auto net = (at::linear(hidden, p["w2"], p["b2"]) - p["y"]).square().mean();
    const auto quadratic = (p["curvature"] * (p["quadratic"] - p["goal"]).square()).sum() / 2;
    const auto batch = which.part.name == "lbfgs" ? 0 : step;
    const auto rows = torch::tensor({batch % 5, (batch * 2 + 1) % 5, batch % 5});
    const auto seen = at::embedding(p["embed.weight"], rows, -1, false, which.sparse);
    const auto sum = net + quadratic + ((seen * p["h"]).sum(1) - p["z"]).square().mean();
    return which.part.settings.find("maximize") ? -sum : sum;
  }

  void move() {
    const auto again = [&] {
      optimizer->zero_grad();
      const auto value = loss();
      value.backward();
      Evaluation evaluation;
      evaluation.loss = value.item<double>();
      return evaluation;
    };
    const auto evaluation = again();
    optimizer->step({.lr_factor = 1 - static_cast<double>(step) / 400}, evaluation, again);
    ++step;
  }

  Tensor flat() const {
    std::vector<Tensor> parts;
    for (const auto& [name, tensor] : params) parts.push_back(tensor.detach().flatten());
    return at::cat(parts);
  }
  /// The largest relative error of a parameter.
  double error(const Tensor& expected) const {
    double most = 0;
    int64_t done = 0;
    for (const auto& [name, tensor] : params) {
      const auto here = relative_error(tensor.flatten(), expected.narrow(0, done, tensor.numel()));
      most = here <= most ? most : here;  // NaN is no small error
      done += tensor.numel();
    }
    return most;
  }
};

void compare(const std::string& type, at::ScalarType scalar, double tolerance, bool gaps = false) {
  const auto golden = read_safetensors(test::golden("optimizers.safetensors"));
  const auto index = golden.index();
  for (const auto& which : cases(golden)) {
    const auto kept = kept_steps(golden, which, type);
    Problem problem(golden, which, scalar, gaps);
    const auto path = index.at(fmt::format("{}.{}", which.index, type));
    for (size_t i = 0; i < kept.size(); ++i) {
      while (problem.step < kept[i]) problem.move();
      const auto error = problem.error(path[static_cast<int64_t>(i)]);
      // On one kind of CPU Adamax in float ends 5.6e-5 from the reference; why is not known. In doubles it is held like
      // the others.
      const auto allowed = which.part.name == "adamax" && scalar == at::kFloat ? 6 * tolerance : tolerance;
      EXPECT_LT(error, allowed) << which.part.name << ", case " << which.index << ", step " << problem.step;
      if (!(error < allowed)) break;
    }
  }
}

TEST(Optimizers, EveryParameterIsTheReferencesInDouble) { compare("double", at::kDouble, 1e-10); }
TEST(Optimizers, EveryParameterIsTheReferencesInFloat) { compare("float", at::kFloat, 1e-5); }

TEST(Optimizers, TheFormulaOnWholeTensorsIsTheSame) { compare("double", at::kDouble, 1e-10, true); }

TEST(Optimizers, EachHasAReference) {
  std::set<std::string> proven;
  for (const auto& which : cases(read_safetensors(test::golden("optimizers.safetensors"))))
    proven.insert(which.part.name);
  for (const auto& name : optimizers().names()) EXPECT_TRUE(proven.contains(name)) << name;
}

/// Every setting with its dotted name, those of sections too.
void collect(const std::vector<Field>& fields, const std::string& path, std::vector<std::string>& into) {
  for (const auto& field : fields)
    if (field.children)
      collect(field.children(), path + field.name + ".", into);
    else
      into.push_back(path + field.name);
}

TEST(Optimizers, EverySettingIsInACase) {
  const std::set<std::string> elsewhere = {
      "muon.adamw_for",                     // names of parameters: Muon's own cases have an embedding
      "muon.adamw.decoupled_weight_decay",  // the rule is AdamW's, whose cases have it
      "muon.adamw.maximize",
  };
  std::map<std::string, std::vector<Table>> given;
  for (const auto& which : cases(read_safetensors(test::golden("optimizers.safetensors"))))
    given[which.part.name].push_back(which.part.settings);
  for (const auto& item : optimizers().items()) {
    std::vector<std::string> names;
    collect(item.schema.fields(), "", names);
    for (const auto& name : names) {
      const bool named = std::any_of(given[item.name].begin(), given[item.name].end(),
                                     [&](const Table& settings) { return settings.find_path(name) != nullptr; });
      EXPECT_NE(named, elsewhere.contains(item.name + "." + name)) << item.name << "." << name;
    }
  }
}

TEST(Optimizers, EachHasItsLineInTheDocumentation) {
  const auto page = read_file((test::source() / "docs/optimisers.md").string());
  for (const auto& name : optimizers().names())
    EXPECT_THAT(page, testing::ContainsRegex(fmt::format("\n\\|[^|]*`{}`", name))) << name;
}

void expect_to_go_on(at::ScalarType type) {
  const auto golden = read_safetensors(test::golden("optimizers.safetensors"));
  for (const auto& which : cases(golden)) {
    Problem straight(golden, which, type), resumed(golden, which, type);
    for (int i = 0; i < 25; ++i) straight.move();
    TensorsByName saved;
    for (const auto& [key, tensor] : straight.optimizer->state()) saved.emplace_back(key, tensor.clone());
    const torch::NoGradGuard no_grad;
    for (size_t i = 0; i < resumed.params.size(); ++i) resumed.params[i].second.copy_(straight.params[i].second);
    resumed.optimizer->load_state(saved);
    resumed.step = straight.step;
    const at::AutoGradMode with_gradients(true);
    for (int i = 0; i < 10; ++i) straight.move(), resumed.move();
    EXPECT_TRUE(straight.flat().equal(resumed.flat())) << which.part.name << ", case " << which.index;
  }
}

TEST(Optimizers, ASavedStateGoesOnBitForBit) { expect_to_go_on(at::kFloat); }
TEST(Optimizers, ASavedStateGoesOnBitForBitInHalfPrecision) { expect_to_go_on(at::kBFloat16); }

TEST(Optimizers, ScheduleFreeScoresTheAverage) {
  const auto golden = read_safetensors(test::golden("optimizers.safetensors"));
  const auto index = golden.index();
  int seen = 0;
  for (const auto& which : cases(golden)) {
    const auto scored = index.find(fmt::format("{}.scored", which.index));
    if (scored == index.end()) continue;
    ++seen;
    Problem problem(golden, which, at::kDouble);
    while (problem.step < 200) problem.move();
    const auto trained = problem.flat();
    {
      const Optimizer::Scored average(*problem.optimizer);
      EXPECT_LT(problem.error(scored->second), 1e-10);
      EXPECT_FALSE(problem.flat().equal(trained));
    }
    EXPECT_TRUE(problem.flat().equal(trained));
  }
  EXPECT_EQ(seen, 2);
}

}  // namespace
}  // namespace hadal
