// Launches the emulated kernel, block after block and warp after warp. Comes after the kernel's source.

// Returns 0; 1 if the blocks need more shared memory than there is; 2 if a block wrote beyond the shared memory it asked for.
extern "C" int emulated_march(const Head* head, const float* origins, const float* directions, const float* depths,
                              const float* positions, long long rays, int coarse, int fine, int room_per_ray, long long positions_stride,
                              float stop_below, float colour_above, float* colour, float* depth, float* opacity) {
    const size_t asked = sizeof(float) * room_per_ray * WARPS;
    char* memory = reinterpret_cast<char*>(shared);
    if (asked > sizeof shared) return 1;
    emulation::kernel = [=] {
        march(*head, origins, directions, depths, positions, rays, coarse, fine, room_per_ray, positions_stride, stop_below, colour_above,
              colour, depth, opacity);
    };
    for (unsigned block = 0; block * WARPS < rays; block++) {
        std::memset(memory, 0xff, sizeof shared);  // not a number: what is read before it is written shows
        for (unsigned warp = 0; warp < WARPS; warp++) emulation::run_warp(block, warp);
        for (size_t i = asked; i < sizeof shared; i++)
            if (memory[i] != static_cast<char>(0xff)) return 2;
    }
    return 0;
}
