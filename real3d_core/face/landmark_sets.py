"""Which of MediaPipe's 478 face landmarks belong to what (spec 06 section 3). "Right" is the person's right, image left."""

MESH_POINTS = 468


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split()]


RIGHT_EYE = _numbers("33 246 161 160 159 158 157 173 133 155 154 153 145 144 163 7")
LEFT_EYE = _numbers("263 466 388 387 386 385 384 398 362 382 381 380 374 373 390 249")
EYE = RIGHT_EYE + LEFT_EYE
INNER_LIP = _numbers("78 191 80 81 82 13 312 311 310 415 308 324 318 402 317 14 87 178 88 95")
OUTER_LIP = _numbers("61 185 40 39 37 0 267 269 270 409 291 375 321 405 314 17 84 181 91 146")
WITHIN_MOUTH = _numbers(
    "76 62 184 183 74 72 73 41 42 38 11 12 302 268 303 271 304 272 408 407 292 306 "
    "325 307 319 320 403 404 316 315 15 16 86 85 179 180 89 90 96 77"
)
MOUTH = INNER_LIP + OUTER_LIP + WITHIN_MOUTH

# Contours from image left to image right.
UPPER_INNER_LIP = _numbers("78 191 80 81 82 13 312 311 310 415 308")
LOWER_INNER_LIP = _numbers("78 95 88 178 87 14 317 402 318 324 308")
UPPER_OUTER_LIP = _numbers("61 185 40 39 37 0 267 269 270 409 291")
LOWER_OUTER_LIP = _numbers("61 146 91 181 84 17 314 405 321 375 291")
RIGHT_UPPER_LID = _numbers("33 246 161 160 159 158 157 173 133")
RIGHT_LOWER_LID = _numbers("33 7 163 144 145 153 154 155 133")
LEFT_UPPER_LID = _numbers("362 398 384 385 386 387 388 466 263")
LEFT_LOWER_LID = _numbers("362 382 381 380 374 373 390 249 263")
RIGHT_IRIS = [468, 469, 470, 471, 472]  # centre first, then its rim
LEFT_IRIS = [473, 474, 475, 476, 477]
RIGHT_BROW = _numbers("46 53 52 65 55 70 63 105 66 107")
LEFT_BROW = _numbers("285 295 282 283 276 336 296 334 293 300")

JAW = _numbers("127 234 93 132 58 172 136 150 149 176 148 152 377 400 378 379 365 397 288 361 323 454 356")
EARS = [234, 454]  # in front of them
EAR_LOBES = [132, 361]  # beside them
BELOW_EAR_LOBES = [58, 288]
JAW_CORNERS = [172, 397]  # below the ears, where the jaw turns upwards
FACE_OVAL = JAW + _numbers("389 251 284 332 297 338 10 109 67 103 54 21 162")

FOREHEAD, CHIN, NOSE_TIP, NOSE_BASE = 10, 152, 1, 2
MIDLINE = [10, 151, 9, 168, 6, 1, 2, 0, 17, 152]
CHEEKS = [50, 205, 280, 425]  # below what glasses cover
MOUTH_CORNERS = [61, 291]
GAP_PAIRS = ((13, 14), (82, 87), (312, 317))  # upper and lower inner lip
EYE_PAIRS = {"right": ((159, 145), (158, 153), (160, 144)), "left": ((386, 374), (385, 380), (387, 373))}
EYE_CORNERS = {"right": (33, 133), "left": (263, 362)}
FIRM = _numbers(  # points that neither speech nor mimicry moves much
    "33 133 362 263 168 6 197 195 5 4 1 2 98 327 129 358 10 67 297 109 338 234 454 127 356 93 323 132 361 117 346 50 280"
)
