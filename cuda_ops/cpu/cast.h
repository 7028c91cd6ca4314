// Rays of a camera, and between which depths they are marched: camera_rays, ray_span and coarse_depths of real3d_core/render, rounding for
// rounding.

namespace {

const int TILE = 4;  // side of the squares of pixels that are marched one after the other: their lookups are close together

inline float rounded(float value) {
    ROUNDED(value);
    return value;
}
inline Floats rounded(Floats value) {
    ROUNDED(value);
    return value;
}

inline Floats root(Floats value) {
    for (int lane = 0; lane < LANES; lane++) value[lane] = __builtin_sqrtf(value[lane]);
    return value;
}

// The depth at a stratum, 0..1 between near and far, and so many steps further.
template <class Number, class Share>
inline Number depth_at(Number near, Number far, float stratum, Share jitter, int steps) {
    const Number span = far - near;
    return rounded(stratum * span) + near + rounded(jitter * (span / (float)steps));
}

// Entry and exit of rays from a point [3] into a box, lower and upper corner [2][3].
inline void cross_box(const float* origin, const float* box, const Floats (&direction)[3], Floats& near, Floats& far) {
    for (int axis = 0; axis < 3; axis++) {
        const Floats inverse = 1.0f / where(direction[axis] != 0.0f, direction[axis], all(1.17549435e-38f));
        const Floats to_lower = (box[axis] - origin[axis]) * inverse, to_upper = (box[3 + axis] - origin[axis]) * inverse;
        const Ints backwards = inverse < 0.0f;
        const Floats entry = where(backwards, to_upper, to_lower), exit = where(backwards, to_lower, to_upper);
        near = axis ? larger(near, entry) : entry;
        far = axis ? smaller(far, exit) : exit;
    }
}

}  // namespace

// One ray through the centre of each pixel of a picture `side` pixels along a side.
//   camera [25]; box [2][3]: lower and upper corner.
//   directions [3][side * side], near, far [side * side]: the results; a ray that misses the box leaves it before it enters.
//   span [2]: the nearest and the farthest entry of those that hit, of this call and those before.
// Returns whether the camera sees anything.
int32_t cast(const float* camera, int32_t side, const float* box, float* directions, float* near, float* far, float* span) {
    const float fx = camera[16], skew = camera[17], cx = camera[18], fy = camera[20], cy = camera[21];
    const float origin[3] = {camera[3], camera[7], camera[11]};
    const int64_t pixels = (int64_t)side * side;
    const float slant = rounded(cy * skew) / fy;
    bool sound = true;
    for (float position : origin) sound = sound && position - position == 0;
    Floats count, first = all(span[0]), last = all(span[1]);
    for (int lane = 0; lane < LANES; lane++) count[lane] = lane;
    for (int row = 0; row < side; row++) {
        const float v = (row + 0.5f) / side, y = (v - cy) / fy, slanted = rounded(skew * v) / fy;
        for (int column = 0; column < side; column += LANES) {
            const int64_t place = (int64_t)row * side + column;
            const int some = side - column < LANES ? side - column : LANES;
            const Floats x = ((count + (column + 0.5f)) / (float)side - cx + slant - slanted) / fx;
            Floats direction[3], squared[3];
            for (int axis = 0; axis < 3; axis++) {
                const float* turn = camera + 4 * axis;
                direction[axis] = rounded(turn[0] * x) + rounded(turn[1] * y) + turn[2];
                squared[axis] = rounded(direction[axis] * direction[axis]);
            }
            const Floats length = larger(root(squared[0] + squared[1] + squared[2]), all(1e-12f));
            Floats kept = {}, entry, exit;
            for (int axis = 0; axis < 3; axis++) {
                direction[axis] /= length;
                kept += direction[axis] * direction[axis];
                std::memcpy(directions + axis * pixels + place, &direction[axis], some * sizeof(float));
            }
            cross_box(origin, box, direction, entry, exit);
            std::memcpy(near + place, &entry, some * sizeof(float));
            std::memcpy(far + place, &exit, some * sizeof(float));
            for (int lane = 0; lane < some; lane++) sound = sound && kept[lane] > 0.5f;
            for (int lane = some; lane < LANES; lane++) exit[lane] = entry[lane];
            const Ints hit = exit > entry;
            first = where(hit, smaller(first, entry), first);
            last = where(hit, larger(last, entry), last);
        }
    }
    for (int lane = 0; lane < LANES; lane++) {
        span[0] = first[lane] < span[0] ? first[lane] : span[0];
        span[1] = last[lane] > span[1] ? last[lane] : span[1];
    }
    return sound;
}

// Lists the pixels whose rays are marched: those that hit the box, or all.
//   rays: but for `pixels` and the results of marching. span: what rays that miss are marched between, null if they are not.
//   pixels: the result. reach [2][3]: the corners of a box that holds all samples.
//   ends [2]: the nearest first and the farthest last depth, of this call and those before.
// Returns how many.
int32_t choose(const FrameRays* rays, const float* span, int32_t* pixels, float* reach, float* ends) {
    const int side = rays->side, steps = rays->coarse - 1;
    const int64_t all_pixels = (int64_t)side * side;
    int count = 0;
    for (int axis = 0; axis < 3; axis++) {
        reach[axis] = INFINITY;
        reach[3 + axis] = -INFINITY;
    }
    // Downwards: of two tiles one above the other, the planes (x, z) and (z, x) are asked for the same texels, and those fill a cache.
    for (int left = 0; left < side; left += TILE)
        for (int top = 0; top < side; top += TILE)
            for (int row = top; row < top + TILE && row < side; row++)
                for (int column = left; column < left + TILE && column < side; column++) {
                    const int pixel = row * side + column;
                    float &near = rays->near[pixel], &far = rays->far[pixel];
                    if (!(far > near)) {
                        if (!span) continue;
                        near = span[0];
                        far = span[1];
                    }
                    pixels[count++] = pixel;
                    const float* jitter = rays->jitter + pixel * rays->jitter_stride;
                    const float depth[2] = {depth_at(near, far, rays->strata[0], jitter[0], steps),
                                            depth_at(near, far, rays->strata[steps], jitter[steps], steps)};
                    ends[0] = depth[0] < ends[0] ? depth[0] : ends[0];
                    ends[1] = depth[1] > ends[1] ? depth[1] : ends[1];
                    for (float one : depth)
                        for (int axis = 0; axis < 3; axis++) {
                            const float point = rays->origin[axis] + rounded(one * rays->directions[axis * all_pixels + pixel]);
                            reach[axis] = point < reach[axis] ? point : reach[axis];
                            reach[3 + axis] = point > reach[3 + axis] ? point : reach[3 + axis];
                        }
                }
    return count;
}
