# The parts Hadal stands on, as two targets: hadal_parts (LibTorch, header-only libraries, flags) and hadal_media.
find_package(Torch REQUIRED)
if(Torch_VERSION AND Torch_VERSION VERSION_LESS 2.6)
  message(FATAL_ERROR "Hadal needs LibTorch 2.6 or later; ${TORCH_INSTALL_PREFIX} holds ${Torch_VERSION}")
endif()
separate_arguments(torch_flags UNIX_COMMAND "${TORCH_CXX_FLAGS}")

add_library(hadal_parts INTERFACE)
target_link_libraries(hadal_parts INTERFACE ${TORCH_LIBRARIES})
# Position independent everywhere, so that the program and the tests can use the library's precompiled header.
target_compile_options(hadal_parts INTERFACE ${torch_flags} -fPIC)
target_compile_definitions(hadal_parts INTERFACE TOML_HEADER_ONLY=1 HADAL_VERSION="${PROJECT_VERSION}")

# fmt as LibTorch's headers have it: version 12 is compiled once (hadal/core/fmt.cpp), others are used header-only.
find_path(FMT_INCLUDE fmt/base.h HINTS ${TORCH_INCLUDE_DIRS})
set(fmt_version "")
if(FMT_INCLUDE)
  file(STRINGS ${FMT_INCLUDE}/fmt/base.h fmt_version REGEX "#define FMT_VERSION 12[0-9][0-9][0-9][0-9]")
endif()
if(NOT fmt_version)
  target_compile_definitions(hadal_parts INTERFACE FMT_HEADER_ONLY)
endif()

target_compile_options(hadal_parts INTERFACE -Wall -Wextra -Wpedantic -Wno-unused-parameter -Wno-missing-field-initializers)
if(HADAL_WERROR)
  target_compile_options(hadal_parts INTERFACE -Werror)
endif()

# For the small programs that find out what goes together.
include(CheckCXXSourceCompiles)
include(CheckCXXSourceRuns)
find_library(HADAL_TORCH_CPU torch_cpu HINTS ${TORCH_INSTALL_PREFIX}/lib REQUIRED)
find_library(HADAL_C10 c10 HINTS ${TORCH_INSTALL_PREFIX}/lib REQUIRED)
set(CMAKE_REQUIRED_FLAGS "${TORCH_CXX_FLAGS} -std=c++20")
set(CMAKE_REQUIRED_INCLUDES ${TORCH_INCLUDE_DIRS})
set(CMAKE_REQUIRED_LIBRARIES ${HADAL_TORCH_CPU} ${HADAL_C10})
if(CMAKE_CXX_COMPILER_ID STREQUAL Clang)
  # Designated initialisers that leave the rest to its defaults are how configs are written here.
  target_compile_options(hadal_parts INTERFACE -Wno-missing-designated-field-initializers)
  # A LibTorch 2.6 that g++ compiled: since clang 18 the two compilers call templates behind std::enable_if differently.
  check_cxx_source_compiles("
    #include <ATen/core/TensorBase.h>
    int main() { return at::TensorBase().const_data_ptr<float>() != nullptr; }" HADAL_CLANG_NAMES_LINK)
  if(NOT HADAL_CLANG_NAMES_LINK)
    target_compile_options(hadal_parts INTERFACE -fclang-abi-compat=17)
  endif()
endif()
if(HADAL_SANITIZE)
  target_compile_options(hadal_parts INTERFACE -fsanitize=${HADAL_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -g1
    -Wno-pass-failed)  # checked memory accesses keep clang from vectorising what update_kernel.h asks it to
  target_link_options(hadal_parts INTERFACE -fsanitize=${HADAL_SANITIZE})
endif()

# ccache must not trip over the precompiled header's time stamps.
find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} ${CCACHE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL Clang)
    target_compile_options(hadal_parts INTERFACE "SHELL:-Xclang -fno-pch-timestamp")
  endif()
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL Clang)
  string(REGEX MATCH "^[0-9]+" clang_major ${CMAKE_CXX_COMPILER_VERSION})
  find_program(LLD ld.lld-${clang_major})
  if(LLD)
    target_link_options(hadal_parts INTERFACE --ld-path=${LLD})
  endif()
endif()

# LibTorch's own OpenMP run time, so that Hadal's kernels share its threads instead of bringing a second pool.
find_library(HADAL_GOMP NAMES libgomp.so.1 gomp PATHS ${TORCH_INSTALL_PREFIX}/lib NO_DEFAULT_PATH)
if(NOT HADAL_GOMP)
  find_library(HADAL_GOMP NAMES libgomp.so.1 gomp)
endif()
if(HADAL_GOMP)
  target_link_libraries(hadal_parts INTERFACE ${HADAL_GOMP})
  target_compile_definitions(hadal_parts INTERFACE HADAL_HAVE_GOMP)
endif()

find_path(NLOHMANN_JSON nlohmann/json.hpp REQUIRED)
find_path(TOMLPLUSPLUS toml++/toml.h REQUIRED)
find_path(PROTOZERO protozero/pbf_writer.hpp REQUIRED)
target_include_directories(hadal_parts SYSTEM INTERFACE ${NLOHMANN_JSON} ${TOMLPLUSPLUS} ${PROTOZERO})

if(NOT HADAL_CORE_ONLY)
  find_package(PkgConfig REQUIRED QUIET)
  pkg_check_modules(MEDIA REQUIRED QUIET IMPORTED_TARGET libturbojpeg libjpeg libpng libwebp libarchive zlib libpcre2-8
    libavformat libavcodec libswscale libavutil)
  # Debian's OpenCV modules come without OpenCV's CMake package, which only the full libopencv-dev holds.
  find_path(OPENCV_INCLUDE opencv2/imgproc.hpp PATH_SUFFIXES opencv4 REQUIRED)
  find_library(OPENCV_CORE opencv_core REQUIRED)
  find_library(OPENCV_IMGPROC opencv_imgproc REQUIRED)
  find_library(UTF8PROC utf8proc REQUIRED)
  find_path(SNDFILE_INCLUDE sndfile.h REQUIRED)
  find_library(SNDFILE sndfile REQUIRED)
  add_library(hadal_media INTERFACE)
  target_include_directories(hadal_media SYSTEM INTERFACE ${OPENCV_INCLUDE})
  target_link_libraries(hadal_media INTERFACE PkgConfig::MEDIA ${OPENCV_IMGPROC} ${OPENCV_CORE} ${UTF8PROC} ${SNDFILE})
  # Debian's SentencePiece brings a protobuf of its own, which breaks a LibTorch that uses the system's, at its start.
  pkg_check_modules(SENTENCEPIECE REQUIRED QUIET IMPORTED_TARGET sentencepiece)
  list(APPEND CMAKE_REQUIRED_LIBRARIES ${SENTENCEPIECE_LINK_LIBRARIES})
  check_cxx_source_runs("
    #include <ATen/core/TensorBase.h>
    #include <sentencepiece_processor.h>
    int main() {
      const sentencepiece::SentencePieceProcessor processor;
      return processor.status().ok() || at::TensorBase().defined();
    }" HADAL_SENTENCEPIECE)
  if(HADAL_SENTENCEPIECE)
    target_link_libraries(hadal_media INTERFACE PkgConfig::SENTENCEPIECE)
  else()
    message(STATUS "SentencePiece and this LibTorch do not go together; SentencePiece models are left out")
  endif()
endif()
unset(CMAKE_REQUIRED_FLAGS)
unset(CMAKE_REQUIRED_INCLUDES)
unset(CMAKE_REQUIRED_LIBRARIES)
