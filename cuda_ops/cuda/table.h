// One lane's share of the table: where a sample lies in it, and what hidden units receive there.

#define EVERY 0xffffffffu

struct Ray {
    float origin[3], direction[3];
};

// Where one sample lies in the table: per window the first texel and how far the sample is beyond it.
struct Place {
    int texel[3];
    float right[3], below[3];
#if STACKED
    float behind[3];
#endif
};

// log2(1 + 2^x)
__device__ inline float softplus_2(float x) {
    const float e = exp2f(-fabsf(x));
    return fmaxf(x, 0.0f) + e * LOG2_1P_SERIES(e);
}

__device__ inline float warp_sum(float value) {
    for (int step = 16; step; step /= 2) value += __shfl_xor_sync(EVERY, value, step);
    return value;
}

__device__ inline Place locate(const Head& head, const Ray& ray, float depth) {
    float point[3];
    for (int axis = 0; axis < 3; axis++) point[axis] = __fadd_rn(ray.origin[axis], __fmul_rn(depth, ray.direction[axis]));
    Place place;
    #pragma unroll
    for (int w = 0; w < 3; w++) {
        place.texel[w] = 0;
        place.right[w] = place.below[w] = 0.0f;
#if STACKED
        place.behind[w] = 0.0f;
#endif
        if (w >= head.windows) continue;
        const Window& window = head.window[w];
        const float across = window.across_axis == 0 ? point[0] : window.across_axis == 1 ? point[1] : point[2];
        const float down = window.down_axis == 0 ? point[0] : window.down_axis == 1 ? point[1] : point[2];
        const float x = fminf(fmaxf(across * window.across_scale + window.across_shift, 0.0f), window.across_length - 1.0f);
        const float y = fminf(fmaxf(down * window.down_scale + window.down_shift, 0.0f), window.down_length - 1.0f);
        const float column = fminf(floorf(x), window.across_length - 2.0f), row = fminf(floorf(y), window.down_length - 2.0f);
        place.right[w] = x - column;
        place.below[w] = y - row;
        place.texel[w] = window.start + (int)row * window.across_length + (int)column;
#if STACKED
        const float through = window.through_axis == 0 ? point[0] : window.through_axis == 1 ? point[1] : point[2];
        const float z = fminf(fmaxf(through * window.through_scale + window.through_shift, 0.0f), window.through_length - 1.0f);
        const float layer = fminf(floorf(z), window.through_length - 2.0f);
        place.behind[w] = z - layer;
        place.texel[w] += (int)layer * (window.across_length * window.down_length);
#endif
    }
    return place;
}

// The place that another lane has worked out.
__device__ inline Place place_of(const Head& head, const Place& own, int lane) {
    Place place;
    #pragma unroll
    for (int w = 0; w < 3; w++) {
        if (w >= head.windows) continue;
        place.texel[w] = __shfl_sync(EVERY, own.texel[w], lane);
        place.right[w] = __shfl_sync(EVERY, own.right[w], lane);
        place.below[w] = __shfl_sync(EVERY, own.below[w], lane);
#if STACKED
        place.behind[w] = __shfl_sync(EVERY, own.behind[w], lane);
#endif
    }
    return place;
}

// This lane's units (lane, lane + 32, ...) at a place.
template <int COUNT>
__device__ inline void look_up(const Head& head, const float* table, const Place& place, int lane, float* hidden) {
    #pragma unroll
    for (int v = 0; v < COUNT / 32; v++) hidden[v] = 0.0f;
    #pragma unroll
    for (int w = 0; w < 3; w++) {
        if (w >= head.windows) continue;
        const float* top = table + (long long)place.texel[w] * COUNT + lane;
        const float* bottom = top + (long long)head.window[w].across_length * COUNT;
        const float right = place.right[w], below = place.below[w], left = 1.0f - right, above = 1.0f - below;
#if STACKED
        const long long deeper = (long long)head.window[w].across_length * head.window[w].down_length * COUNT;
        const float behind = place.behind[w], before = 1.0f - behind;
        #pragma unroll
        for (int v = 0; v < COUNT / 32; v++) {
            const float* here = top + 32 * v;
            const float* under = bottom + 32 * v;
            hidden[v] += before * (left * above * here[0] + right * above * here[COUNT] + left * below * under[0] +
                                   right * below * under[COUNT]) +
                         behind * (left * above * here[deeper] + right * above * here[deeper + COUNT] + left * below * under[deeper] +
                                   right * below * under[deeper + COUNT]);
        }
#else
        #pragma unroll
        for (int v = 0; v < COUNT / 32; v++)
            hidden[v] += left * above * top[32 * v] + right * above * top[COUNT + 32 * v] + left * below * bottom[32 * v] +
                         right * below * bottom[COUNT + 32 * v];
#endif
    }
    #pragma unroll
    for (int v = 0; v < COUNT / 32; v++) hidden[v] = softplus_2(hidden[v]);
}
