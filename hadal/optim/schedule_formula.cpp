#include "hadal/optim/schedule_formula.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numbers>

#include <fmt/ranges.h>

#include "hadal/optim/schedule_pace.h"

namespace hadal {
namespace {

using One = double (*)(double);
using Two = double (*)(double, double);

template <class F>
struct Named {
  const char* name;
  F function;
};
constexpr Named<One> kOfOne[] = {
    {"sqrt", [](double x) { return std::sqrt(x); }},  {"exp", [](double x) { return std::exp(x); }},
    {"log", [](double x) { return std::log(x); }},    {"sin", [](double x) { return std::sin(x); }},
    {"cos", [](double x) { return std::cos(x); }},    {"abs", [](double x) { return std::abs(x); }},
    {"floor", [](double x) { return std::floor(x); }}};
constexpr Named<Two> kOfTwo[] = {{"min", [](double a, double b) { return std::min(a, b); }},
                                 {"max", [](double a, double b) { return std::max(a, b); }}};
constexpr Named<Two> kOperators[] = {{"+", [](double a, double b) { return a + b; }},
                                     {"-", [](double a, double b) { return a - b; }},
                                     {"*", [](double a, double b) { return a * b; }},
                                     {"/", [](double a, double b) { return a / b; }},
                                     {"^", [](double a, double b) { return std::pow(a, b); }}};

/// Recursive descent, one function a precedence.
class Parser {
 public:
  Parser(std::string_view text, const std::vector<std::string>& names, const std::string& path)
      : text_(text), names_(names), path_(path) {}

  Formula whole() {
    auto formula = sum();
    if (peek()) wrong("an operator");
    return formula;
  }

 private:
  [[noreturn]] void wrong(const std::string& wanted) const {
    fail_usage(
        "{} = \"{}\" is no formula: {} expected at character {}; it may hold numbers, {}, pi, + - * / ^, "
        "brackets, sqrt exp log sin cos abs floor min max",
        path_, text_, wanted, at_ + 1, fmt::join(names_, ", "));
  }
  char peek() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool take(char c) { return peek() == c && ++at_; }
  void expect(char c) {
    if (!take(c)) wrong(fmt::format("'{}'", c));
  }

  static Formula apply(Two function, Formula a, Formula b) {
    return [=](const std::vector<double>& values) { return function(a(values), b(values)); };
  }
  static Formula operation(char sign, Formula a, Formula b) {
    for (const auto& [name, function] : kOperators)
      if (*name == sign) return apply(function, std::move(a), std::move(b));
    return a;
  }

  Formula sum() {
    auto left = product();
    for (char sign = peek(); sign == '+' || sign == '-'; sign = peek()) ++at_, left = operation(sign, left, product());
    return left;
  }
  Formula product() {
    auto left = unary();
    for (char sign = peek(); sign == '*' || sign == '/'; sign = peek()) ++at_, left = operation(sign, left, unary());
    return left;
  }
  Formula unary() {
    if (++depth_ > 100) wrong("a less nested formula");
    auto value = take('-') ? [inner = unary()](const std::vector<double>& values) { return -inner(values); } : power();
    --depth_;
    return value;
  }
  Formula power() {
    auto base = atom();
    return take('^') ? operation('^', base, unary()) : base;
  }
  Formula atom() {
    if (take('(')) {
      auto inner = sum();
      expect(')');
      return inner;
    }
    const auto c = peek();
    if ((c >= '0' && c <= '9') || c == '.') return number();
    if (std::isalpha(static_cast<unsigned char>(c))) return word();
    wrong("a number or a name");
  }
  Formula number() {
    double value = 0;
    const auto [end, problem] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (problem != std::errc()) wrong("a number");
    at_ = static_cast<size_t>(end - text_.data());
    return [value](const std::vector<double>&) { return value; };
  }
  Formula word() {
    const auto begin = at_;
    size_t end = begin;
    while (end < text_.size() && std::isalnum(static_cast<unsigned char>(text_[end]))) ++end;
    const auto name = text_.substr(begin, end - begin);
    const auto known = std::find(names_.begin(), names_.end(), name);
    if (known != names_.end()) {
      at_ = end;
      return [index = known - names_.begin()](const std::vector<double>& values) {
        return values[static_cast<size_t>(index)];
      };
    }
    at_ = end;
    if (name == "pi") return [](const std::vector<double>&) { return std::numbers::pi; };
    for (const auto& [known_name, function] : kOfOne)
      if (name == known_name) {
        expect('(');
        auto inner = sum();
        expect(')');
        return [function = function, inner](const std::vector<double>& values) { return function(inner(values)); };
      }
    for (const auto& [known_name, function] : kOfTwo)
      if (name == known_name) {
        expect('(');
        auto a = sum();
        expect(',');
        auto b = sum();
        expect(')');
        return apply(function, std::move(a), std::move(b));
      }
    at_ = begin;
    wrong("a known name");
  }

  std::string_view text_;
  const std::vector<std::string>& names_;
  const std::string& path_;
  size_t at_ = 0;
  int depth_ = 0;
};

constexpr auto kPath = "train.schedule.factor";

/// PyTorch's LambdaLR or MultiplicativeLR with a formula for the function.
struct FormulaConfig : Pace {
  std::string factor;
  static Fields<FormulaConfig> fields() {
    return paced<FormulaConfig>(
        {{"factor", &FormulaConfig::factor,
          "a formula of t, which counts steps (epochs) from 0, and of T, how many there are: \"(1 - t / T) ^ 0.9\""}});
  }
  void validate() const {
    require(!factor.empty(), "{} wants a formula of t and T: \"(1 - t / T) ^ 0.9\"", kPath);
    parse_formula(factor, {"t", "T"}, kPath);
  }
};

/// All factors of the run, looked at before it begins.
std::vector<double> factors_of(const FormulaConfig& config, const Span& span) {
  const auto formula = parse_formula(config.factor, {"t", "T"}, kPath);
  std::vector<double> factors;
  for (int64_t tick = 0; tick < span.ticks; ++tick) {
    factors.push_back(formula({static_cast<double>(tick), static_cast<double>(span.ticks)}));
    require(std::isfinite(factors.back()) && factors.back() >= 0,
            "{} = \"{}\" is {:.4g} at t = {}; a rate must be finite and not negative", kPath, config.factor,
            factors.back(), tick);
  }
  return factors;
}

TickFormula from_table(std::vector<double> factors) {
  return [factors = std::move(factors)](int64_t tick) {
    return Rates{.lr_factor = factors[static_cast<size_t>(std::min<int64_t>(tick, std::ssize(factors) - 1))]};
  };
}

}  // namespace

Formula parse_formula(std::string_view text, const std::vector<std::string>& names, const std::string& path) {
  return Parser(text, names, path).whole();
}

Schedule lambda_schedule(std::function<double(int64_t step)> factor) {
  return {[factor = std::move(factor)](int64_t step) { return Rates{.lr_factor = factor(step)}; }};
}

Schedule multiplicative_schedule(const std::function<double(int64_t step)>& factor, int64_t steps) {
  std::vector<double> products = {1};
  for (int64_t step = 1; step < steps; ++step) products.push_back(products.back() * factor(step));
  return {from_table(std::move(products))};
}

void add_formulas(ScheduleCatalog& catalog) {
  add_schedule(catalog, "lambda", "the rate is lr times a formula of your own", FormulaConfig{},
               [](const FormulaConfig& config, const Span& span) { return from_table(factors_of(config, span)); });
  add_schedule(catalog, "multiplicative", "each step multiplies the rate with a formula of your own", FormulaConfig{},
               [](const FormulaConfig& config, const Span& span) {
                 auto factors = factors_of(config, span);
                 if (!factors.empty()) factors[0] = 1;
                 for (size_t i = 1; i < factors.size(); ++i) factors[i] *= factors[i - 1];
                 return from_table(std::move(factors));
               });
}

}  // namespace hadal
