// What people name on the command line, as inputs of a trained model.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "hadal/io/video.h"
#include "hadal/trained/trained.h"

namespace hadal {

/// One that is read when its turn comes.
struct InputSource {
  std::string name;
  std::function<Input()> read;                              // throws Error where it cannot be read
  std::function<std::unique_ptr<VideoReader>()> open = {};  // in place of `read` for a video: its frames are the inputs
};

/// Pictures and sounds: files as they are, of folders everything below them that looks like one and is not hidden,
/// sorted; videos are many pictures. A path with * ? or [ that is none itself stands for what it matches. Lines: each
/// line of each file. Texts and tables: whole files. `texts` are texts as they are, for what takes lines or a text.
/// Throws UsageError for a path that is not there and for texts where none are taken; a file of lines that cannot be
/// read is one source that throws.
std::vector<InputSource> list_inputs(Takes takes, const std::vector<std::string>& paths,
                                     const std::vector<std::string>& texts);

/// "pictures", "texts", ...: what a model takes, for messages.
std::string plural_of(Takes takes);

}  // namespace hadal
