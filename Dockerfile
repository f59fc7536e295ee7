# One image for every process; deploy/README.md has the command of each.
FROM python:3.11-slim

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \
    SYNCKAIROS_ENV=production

WORKDIR /app
COPY requirements/base.txt requirements/base.txt
RUN pip install --no-deps --require-hashes -r requirements/base.txt && useradd --system --no-create-home synckairos

COPY . .
# Compiled once here: the user that runs it may not write.
RUN python -m compileall -q .

USER synckairos
EXPOSE 8000
# Exec form: signals must reach the server, which serves on for a while and sends its sockets away before it ends.
# Docker kills after 10 s by default: docker stop --time 30 (docs/operations.md).
CMD ["python", "manage.py", "web", "--host", "0.0.0.0", "--port", "8000"]
