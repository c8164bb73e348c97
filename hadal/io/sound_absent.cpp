#include "hadal/core/error.h"
#include "hadal/io/sound.h"

namespace hadal {

Sound decode_sound(std::span<const std::byte>, std::string_view name, const SoundLimits&) {
  throw FileError(name, "this build of Hadal reads no sound (HADAL_CORE_ONLY); build it with libsndfile");
}

}  // namespace hadal
