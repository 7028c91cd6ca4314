// Launches the emulated kernel, block after block and warp after warp. Comes after the kernel's source.

// Arguments as cuLaunchKernel takes them: where the kernel's own arguments lie. Returns 0; 1 if the blocks need more shared memory than
// there is; 2 if a block wrote beyond the shared memory it asked for.
extern "C" int emulated_launch(unsigned blocks, unsigned threads, unsigned shared_bytes, void** arguments) {
    char* memory = reinterpret_cast<char*>(shared);
    if (shared_bytes > 48 << 10) return 1;
    int next = 0;
    auto take = [&](auto* example) { return *static_cast<decltype(example)>(arguments[next++]); };
    const Head head = take((Head*)nullptr);
    const float* rays[4];
    for (auto& pointer : rays) pointer = take((const float**)nullptr);
    const long long count = take((long long*)nullptr);
    const int coarse = take((int*)nullptr), fine = take((int*)nullptr), room_per_ray = take((int*)nullptr);
    const long long stride = take((long long*)nullptr);
    const float stop_below = take((float*)nullptr), colour_above = take((float*)nullptr);
    float* results[3];
    for (auto& pointer : results) pointer = take((float**)nullptr);
    emulation::kernel = [=] {
        march(head, rays[0], rays[1], rays[2], rays[3], count, coarse, fine, room_per_ray, stride, stop_below, colour_above, results[0],
              results[1], results[2]);
    };
    blockDim.x = threads;
    for (unsigned block = 0; block < blocks; block++) {
        std::memset(memory, 0xff, sizeof shared);  // not a number: what is read before it is written shows
        for (unsigned warp = 0; warp < threads / 32; warp++) emulation::run_warp(block, warp);
        for (size_t i = shared_bytes; i < sizeof shared; i++)
            if (memory[i] != static_cast<char>(0xff)) return 2;
    }
    return 0;
}
