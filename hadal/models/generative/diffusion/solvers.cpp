#include "hadal/models/generative/diffusion/solvers.h"

#include <cmath>

namespace hadal {
namespace {

/// The picture and the noise that were seen, mixed as `to` has them: a straight step.
Tensor straight_step(const Seen& seen, const SamplingPlace& to) {
  return to.signal * seen.picture + to.noise * seen.noise;
}

Tensor along(const SamplingStep& step, const Tensor& slope) {
  return step.to.scale * (step.x / step.from.scale + (step.to.place - step.from.place) * slope);
}

/// DDIM (Song et al. 2020, arXiv:2010.02502, eq. 12 and 16): of the noise at `to` a part is new. With eta 1 it is that
/// of DDPM's posterior (arXiv:2006.11239, eq. 7), for steps of any length.
struct Ddim : Solver {
  explicit Ddim(double eta) : eta_(eta) {}

  Tensor step(const SamplingStep& step) override {
    const auto& [from, to] = std::pair(step.from, step.to);
    const auto kept = from.signal / to.signal * to.noise;
    const auto added = std::sqrt(std::max(0.0, from.noise * from.noise - kept * kept));
    const auto fresh = eta_ * to.noise * added / from.noise;
    if (fresh == 0) return straight_step(step.seen, to);
    const auto old = std::sqrt(std::max(0.0, to.noise * to.noise - fresh * fresh));
    return to.signal * step.seen.picture + old * step.seen.noise + fresh * step.fresh();
  }

  double eta_;
};

struct Euler : Solver {
  Tensor step(const SamplingStep& step) override { return straight_step(step.seen, step.to); }
};

/// The mean of the slopes at both ends (Karras et al. 2022, arXiv:2206.00364, algorithm 1 without churn).
struct Heun : Solver {
  Heun(const Process& process, Look look) : process_(process), look_(std::move(look)) {}

  Tensor step(const SamplingStep& step) override {
    const auto x = straight_step(step.seen, step.to);
    if (step.to.noise == 0) return x;
    return along(step, (slope(process_, step.seen) + slope(process_, look_(x, step.to))) / 2);
  }

  const Process& process_;
  Look look_;
};

/// The slope in the middle.
struct Midpoint : Solver {
  Midpoint(const Process& process, Look look) : process_(process), look_(std::move(look)) {}

  Tensor step(const SamplingStep& step) override {
    const auto middle = sampling_place(process_, process_.time_at((step.from.place + step.to.place) / 2));
    return along(step, slope(process_, look_(straight_step(step.seen, middle), middle)));
  }

  const Process& process_;
  Look look_;
};

/// DPM-Solver++(2M) (Lu et al. 2022, arXiv:2211.01095, algorithm 2): exact but for the picture, which follows a line
/// over log(signal / noise) through this step's and the last one's. The last step is of first order.
struct DpmSolver : Solver {
  Tensor step(const SamplingStep& step) override {
    const auto here = std::log(step.from.signal / step.from.noise), there = std::log(step.to.signal / step.to.noise);
    auto picture = step.seen.picture;
    if (before_.defined() && step.to.noise > 0) {
      const auto share = (there - here) / (2 * (here - before_place_));  // 0 behind pure noise
      picture = picture + share * (picture - before_);
    }
    before_ = step.seen.picture;
    before_place_ = here;
    return step.to.noise / step.from.noise * step.x - step.to.signal * std::expm1(here - there) * picture;
  }

  Tensor before_;
  double before_place_ = 0;
};

}  // namespace

const std::vector<std::string>& sampler_names() {
  static const std::vector<std::string> names = {"ancestral", "ddim", "euler", "heun", "midpoint", "dpmpp_2m"};
  return names;
}

std::unique_ptr<Solver> make_solver(const std::string& name, double eta, const Process& process, Look look) {
  if (name == "ancestral") return std::make_unique<Ddim>(1);
  if (name == "ddim") return std::make_unique<Ddim>(eta);
  if (name == "euler") return std::make_unique<Euler>();
  if (name == "heun") return std::make_unique<Heun>(process, std::move(look));
  if (name == "midpoint") return std::make_unique<Midpoint>(process, std::move(look));
  if (name == "dpmpp_2m") return std::make_unique<DpmSolver>();
  fail_usage("unknown sampler \"{}\"{}", name, suggest(name, sampler_names()));
}

SamplingPlace sampling_place(const Process& process, double time) {
  const auto levels = process.at(torch::tensor({time}, torch::kFloat64));
  const auto number = [](const Tensor& value) { return value.item<double>(); };
  SamplingPlace out{.time = time, .signal = number(levels.signal), .noise = number(levels.noise)};
  out.scale = process.straight() ? 1 : out.signal;
  out.place = process.straight() ? time : out.noise / out.signal;
  out.input = number(levels.input);
  out.network_time = number(levels.time);
  out.skip = number(levels.skip);
  out.out = number(levels.out);
  return out;
}

Tensor slope(const Process& process, const Seen& seen) {
  return process.straight() ? seen.noise - seen.picture : seen.noise;
}

}  // namespace hadal
