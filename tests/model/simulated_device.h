#pragma once

// A device like a GPU, for machines that have none: the program cannot access its memory (a page
// fault ends the test), and an operator that is given tensors of two devices fails. PyTorch's
// kernels for the processor do the computation, so that results can be compared. Include this
// header in only one file of a program.
#include <ATen/ATen.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <sys/mman.h>
#include <torch/library.h>
#include <unistd.h>

#include <map>
#include <mutex>

namespace expo::simulated {

/// Memory with two addresses: the one that tensors have, at which nothing can be read, and the real
/// one.
class Memory {
 public:
  static Memory& instance() {
    static Memory memory;
    return memory;
  }

  void* allocate(std::size_t size) {
    const std::size_t length = std::max<std::size_t>(size, 1);
    void* const shown = ::mmap(nullptr, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void* const real =
        ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    TORCH_CHECK(shown != MAP_FAILED && real != MAP_FAILED, "no memory");
    const std::lock_guard lock(mutex_);
    blocks_[static_cast<std::byte*>(shown)] = {static_cast<std::byte*>(real), length};
    return shown;
  }
  void release(void* shown) {
    const std::lock_guard lock(mutex_);
    const auto found = blocks_.find(static_cast<std::byte*>(shown));
    ::munmap(found->second.real, found->second.length);
    ::munmap(shown, found->second.length);
    blocks_.erase(found);
  }
  void* real(void* shown) {
    const std::lock_guard lock(mutex_);
    auto* const address = static_cast<std::byte*>(shown);
    const auto block = std::prev(blocks_.upper_bound(address));
    return block->second.real + (address - block->first);
  }

 private:
  struct Block {
    std::byte* real;
    std::size_t length;
  };
  std::mutex mutex_;
  std::map<std::byte*, Block> blocks_;
};

struct Allocator final : c10::Allocator {
  c10::DataPtr allocate(std::size_t size) override {
    void* const shown = Memory::instance().allocate(size);
    return {shown, shown, &release, c10::Device(c10::kPrivateUse1, 0)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void*, const void*, std::size_t) const override {
    TORCH_CHECK(false, "storages are not copied here");
  }
  static void release(void* shown) { Memory::instance().release(shown); }
};

inline Allocator& allocator() {
  static Allocator result;
  return result;
}

inline bool is_simulated(const at::Tensor& tensor) {
  return tensor.device().type() == c10::kPrivateUse1;
}

/// The same elements in memory that the processor can access.
inline at::Tensor reachable(const at::Tensor& tensor) {
  const auto options = at::TensorOptions().dtype(tensor.scalar_type());
  // A tensor without elements may be an output, which is resized.
  if (tensor.numel() == 0) return at::empty(tensor.sizes(), options);
  return at::from_blob(Memory::instance().real(tensor.unsafeGetTensorImpl()->mutable_data()),
                       tensor.sizes(), tensor.strides(), options);
}

inline at::Tensor on_device(const at::Tensor& tensor) {
  at::Tensor result = at::empty_strided(tensor.sizes(), tensor.strides(),
                                        tensor.options().device(c10::Device(c10::kPrivateUse1, 0)));
  if (tensor.numel() > 0) reachable(result).copy_(tensor);
  return result;
}

/// Copies what an operator on the processor made of an output, so that all holders of the tensor
/// see its new size.
inline void take_result(const at::Tensor& original, const at::Tensor& result) {
  if (original.sizes() == result.sizes()) return;
  const at::Tensor resized = on_device(result);
  auto* const impl = original.unsafeGetTensorImpl();
  impl->set_storage_keep_dtype(resized.storage());
  impl->set_sizes_and_strides(resized.sizes(), resized.strides());
}

/// Runs an operator on the processor.
class Fallback {
 public:
  Fallback(const c10::OperatorHandle& op, torch::jit::Stack* stack) : op_(op), stack_(stack) {}

  void run() {
    const auto& schema = op_.schema();
    const std::size_t count = schema.arguments().size();
    const std::size_t first = stack_->size() - count;
    std::vector<c10::IValue> originals(stack_->begin() + static_cast<std::ptrdiff_t>(first),
                                       stack_->end());
    for (std::size_t i = 0; i < count; ++i) (*stack_)[first + i] = replaced(originals[i]);
    const std::vector<c10::IValue> used(stack_->begin() + static_cast<std::ptrdiff_t>(first),
                                        stack_->end());
    op_.callBoxed(stack_);
    for (std::size_t i = 0; i < count; ++i) {
      const auto* alias = schema.arguments()[i].alias_info();
      if (alias != nullptr && alias->isWrite() && originals[i].isTensor())
        take_result(originals[i].toTensor(), used[i].toTensor());
    }
    const std::size_t returns = schema.returns().size();
    for (std::size_t i = 0; i < returns; ++i) {
      c10::IValue& value = (*stack_)[stack_->size() - returns + i];
      value = returned(value, originals, used);
    }
  }

 private:
  at::Tensor replaced(const at::Tensor& tensor) const {
    if (!tensor.defined()) return tensor;
    if (is_simulated(tensor)) return reachable(tensor);
    TORCH_CHECK(tensor.dim() == 0, op_.schema().name(),
                ": a tensor in ordinary memory beside one of the device");
    return tensor;
  }

  c10::IValue replaced(const c10::IValue& value) const {
    if (value.isTensor()) return replaced(value.toTensor());
    if (value.isDevice()) return c10::Device(c10::kCPU);
    if (value.isTensorList()) {
      c10::List<at::Tensor> list;
      for (const at::Tensor& tensor : value.toTensorVector()) list.push_back(replaced(tensor));
      return list;
    }
    if (value.isOptionalTensorList()) {
      c10::List<std::optional<at::Tensor>> list;
      for (const auto& tensor : value.toOptionalTensorVector())
        list.push_back(tensor ? std::optional(replaced(*tensor)) : std::nullopt);
      return list;
    }
    return value;
  }

  static c10::IValue returned(const c10::IValue& value, const std::vector<c10::IValue>& originals,
                              const std::vector<c10::IValue>& used) {
    if (value.isTensorList()) {
      c10::List<at::Tensor> list;
      for (const at::Tensor& tensor : value.toTensorVector()) list.push_back(on_device(tensor));
      return list;
    }
    if (!value.isTensor() || !value.toTensor().defined()) return value;
    for (std::size_t i = 0; i < used.size(); ++i) {
      if (used[i].isTensor() && used[i].toTensor().is_same(value.toTensor())) return originals[i];
    }
    return on_device(value.toTensor());
  }

  const c10::OperatorHandle& op_;
  torch::jit::Stack* stack_;
};

inline void fall_back(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  Fallback(op, stack).run();
}

inline at::Tensor empty_strided(c10::IntArrayRef sizes, c10::IntArrayRef strides,
                                std::optional<at::ScalarType> dtype, std::optional<at::Layout>,
                                std::optional<at::Device>, std::optional<bool>) {
  const auto type = c10::scalarTypeToTypeMeta(dtype.value_or(at::kFloat));
  std::int64_t elements = 1;
  for (std::size_t i = 0; i < sizes.size(); ++i)
    elements = sizes[i] == 0 ? 0 : elements + (elements > 0 ? (sizes[i] - 1) * strides[i] : 0);
  const auto bytes = static_cast<std::size_t>(elements) * type.itemsize();
  at::Tensor result = at::detail::make_tensor<c10::TensorImpl>(
      c10::Storage(c10::Storage::use_byte_size_t(), bytes, &allocator(), true),
      c10::DispatchKeySet(c10::DispatchKey::PrivateUse1), type);
  result.unsafeGetTensorImpl()->set_sizes_and_strides(sizes, strides);
  return result;
}

inline at::Tensor empty(c10::IntArrayRef sizes, std::optional<at::ScalarType> dtype,
                        std::optional<at::Layout> layout, std::optional<at::Device> device,
                        std::optional<bool> pinned, std::optional<at::MemoryFormat>) {
  std::vector<std::int64_t> strides(sizes.size());
  std::int64_t stride = 1;
  for (std::size_t i = sizes.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= std::max<std::int64_t>(sizes[i], 1);
  }
  return empty_strided(sizes, strides, dtype, layout, device, pinned);
}

inline at::Tensor copy_from(const at::Tensor& from, const at::Tensor& to, bool) {
  const at::Tensor source = is_simulated(from) ? reachable(from) : from;
  (is_simulated(to) ? reachable(to) : to).copy_(source);
  return to;
}

inline at::Scalar scalar(const at::Tensor& tensor) {
  return reachable(tensor).item();
}

struct Hooks final : at::PrivateUse1HooksInterface {
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
};

/// All computation is synchronous, so an event has already occurred when it is recorded.
struct Guard final : c10::impl::NoOpDeviceGuardImpl<c10::DeviceType::PrivateUse1> {
  static c10::Device only() { return {c10::kPrivateUse1, 0}; }
  c10::Device exchangeDevice(c10::Device) const override { return only(); }
  c10::Device getDevice() const override { return only(); }
  c10::Stream getStream(c10::Device) const noexcept override {
    return c10::Stream(c10::Stream::DEFAULT, only());
  }
  c10::Stream exchangeStream(c10::Stream) const noexcept override {
    return c10::Stream(c10::Stream::DEFAULT, only());
  }
  void record(void**, const c10::Stream&, c10::DeviceIndex, c10::EventFlag) const override {}
  void block(void*, const c10::Stream&) const override {}
  bool queryEvent(void*) const override { return true; }
};

C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard);

TORCH_LIBRARY_IMPL(_, PrivateUse1, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&fall_back>());
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  library.impl("empty.memory_format", &empty);
  library.impl("empty_strided", &empty_strided);
  library.impl("as_strided", &at::native::as_strided_tensorimpl);
  library.impl("view",
               static_cast<at::Tensor (*)(const at::Tensor&, c10::IntArrayRef)>(&at::native::view));
  library.impl("_reshape_alias", &at::native::_reshape_alias);
  library.impl("_copy_from", &copy_from);
  library.impl("_local_scalar_dense", &scalar);
}

inline at::Device device() {
  static const bool once = [] {
    static Hooks hooks;
    c10::register_privateuse1_backend("simulated");
    at::RegisterPrivateUse1HooksInterface(&hooks);
    c10::SetAllocator(c10::kPrivateUse1, &allocator());
    return true;
  }();
  (void)once;
  return {c10::kPrivateUse1, 0};
}

}  // namespace expo::simulated
