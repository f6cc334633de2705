# The API and the command line, not as root. Not tested by this repository's checks; compose.yaml uses it.
FROM python:3.12-slim AS build
WORKDIR /source
COPY constraints.txt ./
RUN python -m venv /opt/whycart && /opt/whycart/bin/pip install --no-cache-dir --require-hashes -r constraints.txt
COPY pyproject.toml README.md LICENSE ./
COPY cypher cypher
COPY encoders encoders
COPY gnn gnn
COPY kg kg
COPY serving serving
RUN /opt/whycart/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.12-slim
COPY --from=build /opt/whycart /opt/whycart
RUN useradd --create-home --uid 10001 whycart && install -d -o whycart /var/lib/whycart
ENV PATH=/opt/whycart/bin:$PATH WHYCART_HOME=/var/lib/whycart
USER whycart
WORKDIR /home/whycart
EXPOSE 8000
CMD ["whycart", "serve"]
