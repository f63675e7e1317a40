# The bot in an image: pinned packages, no root, no compiler. docs/owner.md says how to run it, and
# docs/licences.md what whoever passes the image on must do.
FROM python:3.12-slim AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY musrec musrec
COPY bot bot
RUN python -m venv /opt/musrec \
    && /opt/musrec/bin/pip install --no-cache-dir --constraint constraints.txt '.[bot,web,voice]'

FROM python:3.12-slim
RUN useradd --system --create-home --uid 1000 musrec \
    && install -d -o musrec -g musrec -m 700 /data /cache
COPY --from=build /opt/musrec /opt/musrec
COPY docs/licences.md LICENSE /opt/musrec/
ENV PATH=/opt/musrec/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    MUSREC_PATHS__DATA=/data \
    MUSREC_CACHE=/cache
USER musrec
WORKDIR /home/musrec
VOLUME ["/data", "/cache"]
STOPSIGNAL SIGTERM
CMD ["python", "-m", "bot"]
