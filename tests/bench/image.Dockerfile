# What the benchmark of images imports: Debian, Python with libraries, a handler. The build context
# is handlers/.
FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 python3-numpy python3-pip \
      python3-cryptography python3-sqlalchemy \
 && rm -rf /var/lib/apt/lists/*
COPY python/wrapper /usr/lib/faas/python
COPY python/example/handler.py /app/handler.py
ENTRYPOINT ["python3", "-I", "-u", "/usr/lib/faas/python"]
