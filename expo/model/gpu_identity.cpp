#include "expo/model/gpu_identity.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>

namespace expo {
namespace {

// The driver's interface, unchanged in every version since CUDA 4.1 (CUDA Driver API).
constexpr int kCapabilityMajor = 75;  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
using Init = int (*)(unsigned flags);
using DeviceGet = int (*)(int* device, int ordinal);
using GetText = int (*)(char* text, int size, int device);
using GetUuid = int (*)(unsigned char* uuid, int device);
using GetAttribute = int (*)(int* value, int attribute, int device);

template <typename Function>
Function find(void* driver, const char* name) {
  return reinterpret_cast<Function>(::dlsym(driver, name));
}

std::string name_of(void* driver, int device) {
  const auto get = find<GetText>(driver, "cuDeviceGetName");
  std::array<char, 256> text{};
  if (get == nullptr || get(text.data(), static_cast<int>(text.size()) - 1, device) != 0) return {};
  return text.data();
}

/// The UUID of a device. Since CUDA 11.4 every partition of a GPU has its own.
std::string uuid_of(void* driver, int device) {
  auto get = find<GetUuid>(driver, "cuDeviceGetUuid_v2");
  if (get == nullptr) get = find<GetUuid>(driver, "cuDeviceGetUuid");
  std::array<unsigned char, 16> uuid{};
  if (get == nullptr || get(uuid.data(), device) != 0) return {};
  return fmt::format("{:02x}", fmt::join(uuid, ""));
}

}  // namespace

GpuIdentity identify_gpu(int number) {
  void* const driver = ::dlopen("libcuda.so.1", RTLD_LAZY);
  if (driver == nullptr) return {};
  const auto init = find<Init>(driver, "cuInit");
  const auto device_get = find<DeviceGet>(driver, "cuDeviceGet");
  const auto attribute = find<GetAttribute>(driver, "cuDeviceGetAttribute");
  int device = 0;
  if (init == nullptr || device_get == nullptr || init(0) != 0 || device_get(&device, number) != 0)
    return {};
  GpuIdentity identity{name_of(driver, device), 0, uuid_of(driver, device)};
  if (attribute == nullptr || attribute(&identity.capability, kCapabilityMajor, device) != 0)
    identity.capability = 0;
  return identity;
}

}  // namespace expo
