# The rooms of the project in layer order, written once: a room may include and link only rooms that are listed above it
# and that it needs, directly or through other rooms. tests/layers_test.py reads this file and checks the includes
# against it. A room is the sources that are directly in its folder; a folder within it is a room of its own.
#
#   room            needs
# EXPO_TORCH=OFF leaves out the rooms that EXPO_TORCH_ROOMS names, and the rooms in their folders.
set(EXPO_ROOMS
  "core:"
  "core/disk:core"
  "checkpoint:core/disk"
  "checkpoint/folder:checkpoint"
  "checkpoint/safetensors:checkpoint/folder"
  "checkpoint/torch:checkpoint/folder"
  "checkpoint/gguf:checkpoint"
  "checkpoint/hub:checkpoint/folder"
  "checkpoint/lora:checkpoint/hub,checkpoint/safetensors,checkpoint/torch"
  "checkpoint/open:checkpoint/lora,checkpoint/gguf"
  "checkpoint/output:checkpoint/folder"
  "extrapolation/kernel:checkpoint/gguf"
  "extrapolation/plan:extrapolation/kernel"
  "extrapolation/diagnosis:extrapolation/plan"
  "extrapolation/write:extrapolation/diagnosis,checkpoint/output"
  "extrapolation/recipe:extrapolation/plan"
  "extrapolation:extrapolation/write,extrapolation/recipe,checkpoint/open"
  "text:core/disk"
  "text/mask:text"
  "engine:extrapolation,text"
  "matrix:core"
  "model:extrapolation,matrix"
  "model/panel:model"
  "model/tensor:model"
  "model/live:model/panel,model/tensor"
  "generation:model/live,engine"
  "embedded:generation"
  "training/ops:model/tensor"
  "training/data:text/mask"
  "training/model:training/ops,training/data"
  "training/loss:training/data"
  "training/ranks:training/data,model"
  "training/config:training/model,training/loss"
  "training/run:training/config,training/ranks"
  "training/plugin:training/ranks"
  "search/statistics:core"
  "evaluation:text,search/statistics"
  "search/source:core/disk,search/statistics"
  "search:search/statistics,search/source"
  "search/modules:search"
  "search/process:core"
  "search/live:search/source,search/process,engine"
  "search/run:search/modules,search/live"
  "cli/options:engine,search/run"
  "cli/text:engine,search/run,evaluation"
  "cli:cli/options,cli/text"
  "program:cli,embedded,training/run"
)
set(EXPO_TORCH_ROOMS model generation embedded training)
# Built elsewhere: the executables (expo_programs) and the plugin (nccl_plugin.cmake).
set(EXPO_ROOMS_WITHOUT_LIBRARY program training/plugin)
